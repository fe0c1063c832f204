import { equalBytes } from "../asn1/der-writer.ts";
import type { DeviceId } from "../device-id.ts";
import type { AttestClock } from "./attest.ts";
import { attestationInvalid } from "./attestation-failure.ts";
import { type AttestationKey, ownerHierarchy } from "./attestation-key.ts";
import { requireAttributes } from "./check-attributes.ts";
import { nameOfPublicArea, parsePublicArea, qualifiedNameOf, type TpmPublicArea } from "./public-area.ts";
import { spkiOfPublicArea } from "./public-area-spki.ts";
import { keyQualifyingData } from "./qualifying-data.ts";
import { type SignedStatement, verifyStatement } from "./verify-statement.ts";

/** What a device sends to show that a new key was made in its TPM and cannot leave it. */
export interface KeyEvidence extends SignedStatement {
  /** TPMT_PUBLIC of the key. */
  readonly publicArea: Uint8Array;
  /** TPMT_PUBLIC of the storage root key it lies under. */
  readonly parent: Uint8Array;
}

/** What the controller knows of the request the evidence came with. */
export interface KeyExpectation {
  readonly attestationKey: AttestationKey;
  readonly device: DeviceId;
  readonly slot: string;
  readonly generation: number;
  /** DER SubjectPublicKeyInfo of the CSR. */
  readonly spki: Uint8Array;
}

/** A key proven to be in the TPM of the attestation key. */
export interface CertifiedKey {
  readonly publicArea: TpmPublicArea;
  readonly clock: AttestClock;
  readonly firmwareVersion: bigint;
}

/**
 * Verifies a TPM2_Certify of a device key by the enrolled attestation key: signature, magic, kind, signer, nonce, name,
 * qualified name, attributes and public key. The nonce is {@link keyQualifyingData}, so evidence fits one device, slot,
 * generation and key only. Throws `attestation-invalid`.
 */
export function verifyCertifiedKey(evidence: KeyEvidence, expected: KeyExpectation): CertifiedKey {
  const { attestationKey } = expected;
  const statement = verifyStatement(evidence, { attestationKey, qualifyingData: keyQualifyingData(expected) });
  const { attested } = statement;
  if (attested.kind !== "certify") throw attestationInvalid("wrong-kind", "the statement certifies no key");
  const key = parsePublicArea(evidence.publicArea);
  if (!equalBytes(attested.name, nameOfPublicArea(key)))
    throw attestationInvalid("another-key", "the statement certifies another key than the one shown");
  if (!equalBytes(spkiOfPublicArea(key), expected.spki))
    throw attestationInvalid("another-key", "the certified key is not the key of the request");
  requireParent(parsePublicArea(evidence.parent), key, attested.qualifiedName);
  requireAttributes(key, {
    set: ["fixedTpm", "fixedParent", "sensitiveDataOrigin", "sign"],
    // With duplication a key could be taken to another TPM by whoever may use it; restricted or decrypt make it no TLS key.
    clear: ["encryptedDuplication", "restricted", "decrypt", "stClear"],
    failure: "key-attributes",
    what: "the certified key",
  });
  return { publicArea: key, clock: statement.clock, firmwareVersion: statement.firmwareVersion };
}

/** The parent must be a storage key at the top of the owner hierarchy, and the key must lie under it. */
function requireParent(parent: TpmPublicArea, key: TpmPublicArea, qualifiedName: Uint8Array): void {
  if (!equalBytes(qualifiedNameOf(key, qualifiedNameOf(parent, ownerHierarchy)), qualifiedName))
    throw attestationInvalid("another-parent", "the certified key does not lie under the storage key shown");
  requireAttributes(parent, {
    set: ["fixedTpm", "fixedParent", "sensitiveDataOrigin", "restricted", "decrypt"],
    clear: ["sign"],
    failure: "another-parent",
    what: "the storage key above the certified key",
  });
}
