import { createPrivateKey, hash, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openKeyProvider } from "@fleetcert/hw";
import type { OpenKeyProvider, ProviderKey } from "@fleetcert/shared";
import { flushContext, loadKey } from "../../hw/src/tpm/commands/objects.ts";
import { signDigest } from "../../hw/src/tpm/commands/signing.ts";
import { Tpm } from "../../hw/src/tpm/tpm.ts";
import { parseTpmKeyFile } from "../../hw/src/tpm/tpm-key-file.ts";
import { type Swtpm, startSwtpm } from "../support/keys/swtpm.ts";
import { medianOf7, quartilesInTurn } from "./measure.ts";
import type { Row } from "./run.ts";

/**
 * Keys in a TPM emulator (swtpm): signatures by the provider and by OpenSSL through the TLS addon against bare TPM2_Sign
 * commands with a loaded key (the goal is 0.85), and the time to make a key. Handshakes are in tls-handshake.
 */
export async function bench(): Promise<Row[]> {
  const tpm = await startSwtpm();
  const provider = await openKeyProvider({ kind: "tpm", tpm: tpm.address, directory: join(tpm.directory, "keys") });
  try {
    return await signatures(tpm, provider);
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
    const [first = 0, ...others] = await quartilesInTurn([
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

const message = Buffer.from("a message of about the length of a certificate request's signed part".repeat(4));
