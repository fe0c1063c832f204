import { attestationInvalid } from "./attestation-failure.ts";
import type { CredentialCrypto } from "./credential-crypto.ts";
import { deriveFromSharedX, labelOctets } from "./key-derivation.ts";
import { curveBytes, objectAttributes, type TpmPublicArea } from "./public-area.ts";
import { padLeft, spkiOfPublicArea } from "./public-area-spki.ts";
import { tpmHashBytes } from "./tpm-algorithm.ts";
import { tpmJoin, tpmSized } from "./tpm-writer.ts";

/**
 * Makes a seed that only the TPM with this storage key can learn (Part 1, annexes B.10.3 and C.6.1), by OAEP or ECDH.
 * `encrypted` is the content of a TPM2B_ENCRYPTED_SECRET. Throws `attestation-invalid` when the key cannot decrypt.
 */
export function shareSeed(
  crypto: CredentialCrypto,
  key: TpmPublicArea,
  label: "IDENTITY" | "SECRET",
): { readonly seed: Uint8Array; readonly encrypted: Uint8Array } {
  if ((key.attributes & objectAttributes.decrypt) === 0)
    throw attestationInvalid("endorsement-key", "the TPM key that should share a secret cannot decrypt");
  const spki = spkiOfPublicArea(key);
  const hash = key.nameHash;
  const bytes = tpmHashBytes[hash];
  if (key.key.type === "rsa") {
    const { secret, encrypted } = crypto.encryptFreshSecret({ spki, hash, label: labelOctets(label), bytes });
    return { seed: secret, encrypted };
  }
  const { x, y, sharedX } = crypto.agree(spki);
  const own = padLeft(key.key.x, curveBytes[key.key.curve]);
  const seed = deriveFromSharedX(sharedX, { hash, label, contextU: x, contextV: own, bits: bytes * 8 });
  return { seed, encrypted: tpmJoin(tpmSized(x), tpmSized(y)) };
}
