import { keyProviderContract } from "../../contracts/key-provider.ts";
import { memoryKeyProvider } from "./memory-key-provider.ts";

const provider = memoryKeyProvider();

keyProviderContract("in memory", async () => provider, {
  algorithms: ["P-256", "P-384", "RSA-2048", "Ed25519"],
  absentRef: () => `software:${"00".repeat(32)}`,
});
