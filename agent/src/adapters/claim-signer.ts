import { sign } from "node:crypto";
import { claimKeyOf, type Secret, type Signer } from "@fleetcert/shared";

/** Signs with the key of a claim, so that its secret need not travel. */
export function claimSigner(secret: Secret): Signer {
  const { spki, pkcs8 } = claimKeyOf(Buffer.from(secret.reveal(), "base64url"));
  const key = { key: Buffer.from(pkcs8), format: "der", type: "pkcs8" } as const;
  return { algorithm: "Ed25519", spki, sign: async (message) => new Uint8Array(sign(null, message, key)) };
}
