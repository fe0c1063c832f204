/**
 * A program for tests: opens a token with a PIN from a file, makes and uses a key, says so, and waits to be ended.
 * `node key-user.ts MODULE TOKEN PIN-FILE`
 */
import { createPrivateKey, sign } from "node:crypto";
import { openKeyProvider, secretFile } from "@fleetcert/hw";

const [modulePath = "", tokenLabel = "", pinFile = ""] = process.argv.slice(2);
const provider = await openKeyProvider({ kind: "pkcs11", modulePath, tokenLabel, pin: secretFile(pinFile) });
const key = await provider.generate({ algorithm: "P-256", label: "secrets" });
await key.sign(Buffer.from("a message"));
const handle = createPrivateKey(key.tlsKey());
sign("sha256", Buffer.from("a handshake"), handle);
console.log("ready", { provider, key, handle, info: provider.info });
process.stdin.once("end", async () => {
  await provider.close();
  console.log("closed");
});
process.stdin.resume();
