import { constants, createPublicKey, hash, publicDecrypt } from "node:crypto";
import { tpmJoin, tpmU32 } from "@fleetcert/shared";
import type { TlsHash } from "../tls/tls-key-handle.ts";

/**
 * How many octets of salt an RSASSA-PSS signature has, read from its padding (RFC 8017 §9.1.2 steps 5 to 10), for moduli of
 * whole octets; undefined when it has no such padding. Whether the signature is right is not looked at.
 */
export function pssSaltLength(
  spki: Uint8Array,
  { hash: name, signature }: { readonly hash: TlsHash; readonly signature: Uint8Array },
): number | undefined {
  const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  const padded = publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, signature);
  const digestLength = hash(name, "", "buffer").length;
  const maskedLength = padded.length - digestLength - 1;
  const mask = mgf1(name, padded.subarray(maskedLength, -1), maskedLength);
  const block = padded.subarray(0, maskedLength).map((octet, index) => octet ^ (mask[index] ?? 0));
  // The modulus has 8 × n bits, so the topmost bit of the block is never used.
  block[0] = (block[0] ?? 0) & 0x7f;
  const separator = block.findIndex((octet) => octet !== 0);
  return block[separator] === 1 ? maskedLength - separator - 1 : undefined;
}

/** RFC 8017 §B.2.1. */
function mgf1(name: TlsHash, seed: Uint8Array, length: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let counter = 0; blocks.reduce((sum, block) => sum + block.length, 0) < length; counter++)
    blocks.push(hash(name, tpmJoin(seed, tpmU32(counter)), "buffer"));
  return tpmJoin(...blocks).subarray(0, length);
}
