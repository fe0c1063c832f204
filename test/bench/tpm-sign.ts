import { createPrivateKey, hash, sign } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { connect, createSecureContext, createServer, type SecureContext, type Server } from "node:tls";
import { openKeyProvider } from "@fleetcert/hw";
import type { OpenKeyProvider, ProviderKey } from "@fleetcert/shared";
import { flushContext, loadKey } from "../../hw/src/tpm/commands/objects.ts";
import { signDigest } from "../../hw/src/tpm/commands/signing.ts";
import { Tpm } from "../../hw/src/tpm/tpm.ts";
import { parseTpmKeyFile } from "../../hw/src/tpm/tpm-key-file.ts";
import { type Swtpm, startSwtpm } from "../support/swtpm.ts";
import { testPki } from "../support/test-pki.ts";
import { providerIdentity, rootPem, softwareIdentity } from "../support/tls-identity.ts";
import { medianOf7 } from "./measure.ts";
import type { Row } from "./run.ts";

/**
 * Keys in a TPM emulator (swtpm): signatures by the provider and by OpenSSL through the TLS addon against bare TPM2_Sign
 * commands with a loaded key, the time to make a key, and full mutual TLS 1.3 handshakes against a key in memory, one
 * after the other in the same run. The goals: 0.85 and at most 1.6.
 */
export async function bench(): Promise<Row[]> {
  const tpm = await startSwtpm();
  const provider = await openKeyProvider({ kind: "tpm", tpm: tpm.address, directory: join(tpm.directory, "keys") });
  try {
    return [...(await signatures(tpm, provider)), ...(await handshakes(provider))];
  } finally {
    await provider.close();
    await tpm.stop();
  }
}

async function signatures(tpm: Swtpm, provider: OpenKeyProvider): Promise<Row[]> {
  const rows: Row[] = [];
  for (const algorithm of ["P-256", "RSA-2048"] as const) {
    const key = await provider.generate({ algorithm, label: "bench" });
    const handle = createPrivateKey(key.tlsKey());
    const bare = bareSigner(tpm, key);
    const [first = 0, ...others] = await inTurn([
      bare.sign,
      () => key.sign(message),
      () => sign("sha256", message, handle),
    ]);
    bare.close();
    const of = `TPM2_Sign of ${algorithm}, bare`;
    const unit = "signatures/s";
    const names = [`tpm-sign by the provider, ${algorithm}`, `tpm-sign through the TLS addon, ${algorithm}`];
    rows.push({ name: of, value: 1000 / first, unit });
    rows.push(
      ...others.map((each, at) => ({ name: names[at] ?? "", value: 1000 / each, unit, ratio: first / each, of })),
    );
  }
  const milliseconds = await medianOf7(() => provider.generate({ algorithm: "P-256", label: "bench" }));
  return [...rows, { name: "tpm-generate, P-256, durable", value: milliseconds, unit: "ms" }];
}

/** The same key in a slot of its own. */
function bareSigner({ address, directory }: Swtpm, { id, algorithm }: ProviderKey) {
  const tpm = Tpm.acquire(address);
  const { blob } = parseTpmKeyFile(id, readFileSync(join(directory, "keys", `${id}.pem`), "utf8"));
  const key = tpm.withStorageRoot(undefined, (parent) => loadKey(tpm.connection, { parent, key: blob }));
  const scheme = { name: algorithm === "P-256" ? "ecdsa" : "rsassa", hash: "sha256" } as const;
  return {
    sign: () => signDigest(tpm.connection, { key, digest: hash("sha256", message, "buffer"), scheme }),
    close() {
      flushContext(tpm.connection, key.handle);
      tpm.release();
    },
  };
}

/** Milliseconds of one call each: lower quartile of 21 rounds in which they take turns, so that a busy machine hits all alike and little. */
async function inTurn(runs: readonly (() => unknown)[]): Promise<number[]> {
  const times: number[][] = runs.map(() => []);
  const calls = 20;
  for (let round = 0; round < 22; round++) {
    for (const [at, run] of runs.entries()) {
      const start = performance.now();
      for (let call = 0; call < calls; call++) {
        const pending = run();
        if (pending instanceof Promise) await pending;
      }
      if (round > 0) times[at]?.push((performance.now() - start) / calls);
    }
  }
  return times.map((all) => all.toSorted((left, right) => left - right)[5] ?? 0);
}

async function handshakes(provider: OpenKeyProvider): Promise<Row[]> {
  const pki = await testPki();
  const ca = rootPem(pki);
  const server = createServer({
    ca,
    ...(await softwareIdentity(pki, "server")),
    minVersion: "TLSv1.3",
    requestCert: true,
    rejectUnauthorized: true,
  });
  server.on("secureConnection", (socket) => socket.end("seen"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const clients = [await softwareIdentity(pki, "c")];
  for (const algorithm of ["P-256", "RSA-2048"] as const)
    clients.push(await providerIdentity(pki, await provider.generate({ algorithm, label: "bench" }), "client"));
  // Made once: reading a key in memory from its PEM takes longer than reading a handle, and would be measured too.
  const contexts = clients.map((client) => createSecureContext({ ca, ...client, minVersion: "TLSv1.3" }));
  const [memory = 0, ...others] = await inTurn(contexts.map((context) => () => handshake(server, context)));
  server.close();
  const of = "tls-handshake, P-256 in memory";
  const names = ["tls-handshake, P-256 in swtpm", "tls-handshake, RSA-2048 in swtpm"];
  const rows = others.map((value, at) => ({ name: names[at] ?? "", value, unit: "ms", ratio: value / memory, of }));
  return [{ name: of, value: memory, unit: "ms" }, ...rows];
}

async function handshake(server: Server, secureContext: SecureContext): Promise<void> {
  const { port } = server.address() as AddressInfo;
  const socket = connect({ secureContext, port, host: "127.0.0.1", checkServerIdentity: () => undefined });
  await once(socket, "data");
  socket.destroy();
}

const message = Buffer.from("a message of about the length of a certificate request's signed part".repeat(4));
