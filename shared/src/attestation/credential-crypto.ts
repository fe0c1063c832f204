import type { TpmHash } from "./tpm-algorithm.ts";

/**
 * Encryption towards a TPM, which the pure parts may not take from Node. Deterministic but for the random numbers inside
 * the first two; nothing is kept between calls. Bad keys throw `attestation-invalid`.
 */
export interface CredentialCrypto {
  /** A fresh secret of `bytes` octets, encrypted by RSAES-OAEP with this label (RFC 8017 §7.1) to the SPKI. */
  encryptFreshSecret(request: {
    readonly spki: Uint8Array;
    readonly hash: TpmHash;
    readonly label: Uint8Array;
    readonly bytes: number;
  }): { readonly secret: Uint8Array; readonly encrypted: Uint8Array };
  /** A fresh key pair on the curve of the SPKI: its point and the x coordinate of the shared point, all of full length. */
  agree(spki: Uint8Array): { readonly x: Uint8Array; readonly y: Uint8Array; readonly sharedX: Uint8Array };
  hmac(hash: TpmHash, key: Uint8Array, data: Uint8Array): Uint8Array;
  /** AES-CFB with an initialisation vector of zeros; the key's length chooses AES-128 or AES-256. */
  encryptCfb(key: Uint8Array, data: Uint8Array): Uint8Array;
}
