import { hash } from "node:crypto";
import type { TpmReader } from "./tpm-reader.ts";

/** TPM_ALG_ID values used here (TCG Algorithm Registry). */
export const tpmAlgorithms = {
  rsa: 0x0001,
  aes: 0x0006,
  keyedHash: 0x0008,
  sha256: 0x000b,
  sha384: 0x000c,
  sha512: 0x000d,
  null: 0x0010,
  rsassa: 0x0014,
  rsapss: 0x0016,
  ecdsa: 0x0018,
  ecc: 0x0023,
  cfb: 0x0043,
} as const;

/** Hashes that names, signatures and PCR banks may use; SHA-1 is not among them. */
export type TpmHash = "sha256" | "sha384" | "sha512";

/** Octets of a digest. */
export const tpmHashBytes: Readonly<Record<TpmHash, number>> = { sha256: 32, sha384: 48, sha512: 64 };

/** Reads TPMI_ALG_HASH; throws `attestation-invalid` for other hashes. */
export function readTpmHash(reader: TpmReader): TpmHash {
  const id = reader.u16();
  const found = hashes.find((name) => tpmAlgorithms[name] === id);
  if (found === undefined) throw reader.invalid(`hash algorithm 0x${id.toString(16)} is not accepted`);
  return found;
}

/** Digest of bytes. */
export const tpmDigest = (name: TpmHash, bytes: Uint8Array): Uint8Array => new Uint8Array(hash(name, bytes, "buffer"));

const hashes: readonly TpmHash[] = ["sha256", "sha384", "sha512"];
