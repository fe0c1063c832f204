import { attestationInvalid } from "./attestation-failure.ts";
import type { CredentialCrypto } from "./credential-crypto.ts";
import { deriveKey } from "./key-derivation.ts";
import type { TpmPublicArea } from "./public-area.ts";
import { shareSeed } from "./share-seed.ts";
import { tpmHashBytes } from "./tpm-algorithm.ts";
import { tpmJoin, tpmSized } from "./tpm-writer.ts";

/** What `TPM2_ActivateCredential` is given: contents of TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET. */
export interface MadeCredential {
  readonly credentialBlob: Uint8Array;
  readonly secret: Uint8Array;
}

/**
 * Encrypts a challenge so that only a TPM that holds both the endorsement key and the object of this name can read it
 * (TPM2_MakeCredential, Part 1 §24). `challenge` has 1 to 32 octets and must be fresh random.
 *
 * Throws `attestation-invalid` when the endorsement key is no storage key, `internal` never.
 */
export function makeCredential(
  crypto: CredentialCrypto,
  request: { readonly endorsementKey: TpmPublicArea; readonly name: Uint8Array; readonly challenge: Uint8Array },
): MadeCredential {
  const { endorsementKey, name, challenge } = request;
  const { nameHash: hash, symmetric } = endorsementKey;
  if (symmetric === undefined) throw attestationInvalid("endorsement-key", "the endorsement key is no storage key");
  if (challenge.length === 0 || challenge.length > 32)
    throw attestationInvalid("malformed", `a challenge of ${challenge.length} octets, 1 to 32 are possible`);
  const { seed, encrypted } = shareSeed(crypto, endorsementKey, "IDENTITY");
  const key = deriveKey(crypto, seed, { hash, label: "STORAGE", contextU: name, bits: symmetric.bits });
  const identity = crypto.encryptCfb(key, tpmSized(challenge));
  const macKey = deriveKey(crypto, seed, { hash, label: "INTEGRITY", bits: tpmHashBytes[hash] * 8 });
  const mac = crypto.hmac(hash, macKey, tpmJoin(identity, name));
  return { credentialBlob: tpmJoin(tpmSized(mac), identity), secret: encrypted };
}
