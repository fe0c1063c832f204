import { createPublicKey } from "node:crypto";
import { sha256 } from "../key/digest.ts";

/** The key that stands for a claim where its secret may not go: in files that somebody carries. */
export interface ClaimKey {
  /** PKCS#8, DER: as secret as the claim. */
  readonly pkcs8: Uint8Array;
  /** DER SubjectPublicKeyInfo: what the controller keeps. It verifies with it and can make no proof itself. */
  readonly spki: Uint8Array;
}

/**
 * The Ed25519 key of a claim, made from the octets of its secret (16 or more): whoever signs with it holds the secret, and the
 * signature gives nothing of it away. Both sides make the same key from the same secret.
 */
export function claimKeyOf(secret: Uint8Array): ClaimKey {
  const seed = sha256(Buffer.concat([context, secret]));
  // RFC 8410 §7: OneAsymmetricKey with the seed in two octet strings.
  const pkcs8 = new Uint8Array(Buffer.concat([ed25519Prefix, seed]));
  const key = createPublicKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" } as unknown as KeyInput);
  return { pkcs8, spki: new Uint8Array(key.export({ type: "spki", format: "der" })) };
}

/** Node takes a private key here and gives its public half; its types know the public forms only. */
type KeyInput = Parameters<typeof createPublicKey>[0];

const context = Buffer.from("fleetcert claim key v1\0", "latin1");
const ed25519Prefix = Buffer.from("302e020100300506032b657004220420", "hex");
