/**
 * Uses the TLS addon and a SoftHSM2 token in every way there is, on the Node that runs it, and prints what worked as JSON: for a test that
 * runs it on several.
 */

import { createPrivateKey, createPublicKey, sign, subtle, verify } from "node:crypto";
import { once } from "node:events";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { openKeyProvider } from "@fleetcert/hw";
import type { ProviderKey } from "@fleetcert/shared";
import { testPki } from "../pki/test-pki.ts";
import { providerIdentity, rootPem, softwareIdentity } from "../pki/tls-identity.ts";
import { tlsHandshake } from "../pki/tls-pair.ts";
import { startSoftHsm } from "./softhsm.ts";

const hsm = startSoftHsm();
const token = hsm.createToken();
const { modulePath } = hsm;
const keys = await openKeyProvider({ kind: "pkcs11", modulePath, tokenLabel: token.tokenLabel, pin: () => token.pin });
const pki = await testPki();
const message = Buffer.from("on whatever Node");
const worked: string[] = [];
const signInWorker = `
  const { parentPort, workerData } = require("node:worker_threads");
  const { createPrivateKey, sign } = require("node:crypto");
  const { pem, name, message } = workerData;
  parentPort.postMessage(sign(name, message, createPrivateKey(pem)));
`;

for (const algorithm of ["P-256", "P-384", "RSA-2048", "RSA-3072", "Ed25519"] as const) {
  const key = await keys.generate({ algorithm, label: algorithm });
  await signEveryWay(key);
  for (const version of ["TLSv1.3", "TLSv1.2"] as const) {
    const ours = await providerIdentity(pki, key, "in-a-token");
    const theirs = await softwareIdentity(pki, "software");
    const ca = rootPem(pki);
    const client = await tlsHandshake({ client: ours, server: theirs, ca, version });
    const server = await tlsHandshake({ client: theirs, server: ours, ca, version });
    if (client.seenAs === "in-a-token" && server.seenAs === "software") worked.push(`${algorithm} ${version}`);
  }
}
await keys.close();
hsm.remove();
process.stdout.write(`${JSON.stringify({ node: process.versions.node, worked })}\n`);

async function signEveryWay(key: ProviderKey): Promise<void> {
  const { algorithm } = key;
  const handle = createPrivateKey(key.tlsKey());
  const name = algorithm === "Ed25519" ? null : algorithm === "P-384" ? "sha384" : "sha256";
  const publicKey = createPublicKey({ key: Buffer.from(key.spki), format: "der", type: "spki" });
  const note = (way: string, signature: Uint8Array): void => {
    if (verify(name, message, publicKey, signature)) worked.push(`${algorithm} ${way}`);
  };
  note("sync", sign(name, message, handle));
  note("thread pool", await promisify(sign)(name, message, handle));
  note("provider", await key.sign(message));
  const worker = new Worker(signInWorker, { eval: true, workerData: { pem: key.tlsKey(), name, message } });
  const [signature] = (await once(worker, "message")) as [Uint8Array];
  note("worker", signature);
  if (algorithm !== "P-256") return;
  const cryptoKey = handle.toCryptoKey({ name: "ECDSA", namedCurve: algorithm }, false, ["sign"]);
  const raw = Buffer.from(await subtle.sign({ name: "ECDSA", hash: "SHA-256" }, cryptoKey, message));
  if (verify(name, message, { key: publicKey, dsaEncoding: "ieee-p1363" }, raw)) worked.push(`${algorithm} WebCrypto`);
}
