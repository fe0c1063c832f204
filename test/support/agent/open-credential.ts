import {
  constants,
  createDecipheriv,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  privateDecrypt,
} from "node:crypto";
import { type MadeCredential, spkiOfPublicArea } from "@fleetcert/shared";
import type { SoftwareTpmKey } from "../keys/software-tpm.ts";

/**
 * What TPM2_ActivateCredential does with an endorsement key, written down once more, step by step as Part 1 §24 says.
 * Throws when the credential was made for another name or changed on the way.
 */
export function openCredential(
  { area, privateKey }: SoftwareTpmKey,
  name: Uint8Array,
  { credentialBlob, secret }: MadeCredential,
): Uint8Array {
  const hash = area.nameHash;
  const bits = area.symmetric?.bits ?? 0;
  const seed = openSeed({ area, privateKey }, Buffer.from(secret));
  const size = createHash(hash).digest().length;
  const blob = Buffer.from(credentialBlob);
  const mac = blob.subarray(2, 2 + size);
  const identity = blob.subarray(2 + size);
  const kdf = (label: string, context: Uint8Array, length: number): Buffer => {
    const size32 = Buffer.alloc(4);
    size32.writeUInt32BE(length);
    const full = createHmac(hash, seed)
      .update(Buffer.of(0, 0, 0, 1))
      .update(`${label}\0`)
      .update(context)
      .update(size32);
    return full.digest().subarray(0, length / 8);
  };
  const wanted = createHmac(hash, kdf("INTEGRITY", Buffer.alloc(0), size * 8))
    .update(identity)
    .update(name)
    .digest();
  if (!mac.equals(wanted)) throw new Error("TPM_RC_INTEGRITY");
  const decipher = createDecipheriv(`aes-${bits}-cfb`, kdf("STORAGE", name, bits), Buffer.alloc(16));
  return new Uint8Array(Buffer.concat([decipher.update(identity), decipher.final()]).subarray(2));
}

function openSeed({ area, privateKey }: Pick<SoftwareTpmKey, "area" | "privateKey">, secret: Buffer): Buffer {
  if (area.key.type === "rsa") {
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const options = { key: privateKey, padding, oaepHash: area.nameHash, oaepLabel: Buffer.from("IDENTITY\0") };
    return privateDecrypt(options, secret);
  }
  const size = secret.readUInt16BE(0);
  const x = secret.subarray(2, 2 + size);
  const peer = { ...area, key: { ...area.key, x, y: secret.subarray(4 + size) } };
  const publicKey = createPublicKey({ key: Buffer.from(spkiOfPublicArea(peer)), format: "der", type: "spki" });
  const shared = diffieHellman({ privateKey, publicKey });
  return createHash(area.nameHash)
    .update(Buffer.of(0, 0, 0, 1))
    .update(shared)
    .update("IDENTITY\0")
    .update(x)
    .update(area.key.x)
    .digest();
}
