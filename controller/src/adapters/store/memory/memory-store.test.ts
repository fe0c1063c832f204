import { storeContract } from "../../../../../test/contracts/store.ts";
import { memoryStore } from "./memory-store.ts";

storeContract("memory", async () => {
  const store = memoryStore();
  return { store, dispose: () => store.close() };
});
