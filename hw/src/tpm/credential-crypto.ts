import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
  randomBytes,
} from "node:crypto";
import { type CredentialCrypto, FleetError } from "@fleetcert/shared";

/** {@link CredentialCrypto} by node:crypto. */
export const nodeCredentialCrypto: CredentialCrypto = {
  encryptFreshSecret({ spki, hash, label, bytes }) {
    const secret = randomBytes(bytes);
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const key = importKey(spki);
    return { secret, encrypted: publicEncrypt({ key, padding, oaepHash: hash, oaepLabel: label }, secret) };
  },
  agree(spki) {
    const peer = importKey(spki);
    const namedCurve = peer.asymmetricKeyDetails?.namedCurve ?? "";
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve });
    const { x = "", y = "" } = publicKey.export({ format: "jwk" });
    const sharedX = diffieHellman({ privateKey, publicKey: peer });
    return { x: Buffer.from(x, "base64url"), y: Buffer.from(y, "base64url"), sharedX };
  },
  hmac: (hash, key, data) => createHmac(hash, key).update(data).digest(),
  encryptCfb: (key, data) => encryptCfb(key, new Uint8Array(16), data),
};

/** AES-CFB; the key's length chooses AES-128 or AES-256. */
export function encryptCfb(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array {
  const cipher = createCipheriv(cfbOf(key), key, iv);
  return Buffer.concat([cipher.update(data), cipher.final()]);
}

/** The opposite of {@link encryptCfb}. */
export function decryptCfb(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array {
  const decipher = createDecipheriv(cfbOf(key), key, iv);
  return Buffer.concat([decipher.update(data), decipher.final()]);
}

const cfbOf = (key: Uint8Array): string => `aes-${key.length * 8}-cfb`;

function importKey(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  } catch (cause) {
    throw new FleetError("attestation-invalid", "the TPM's public key cannot be imported", { cause });
  }
}
