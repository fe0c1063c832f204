import { attestationInvalid } from "./attestation-failure.ts";
import { requireAttributes } from "./check-attributes.ts";
import { nameOfPublicArea, parsePublicArea, qualifiedNameOf, type TpmPublicArea } from "./public-area.ts";
import { boundSchemeOf } from "./tpm-signature.ts";
import { tpmU32 } from "./tpm-writer.ts";

/** An attestation key (AK) whose properties were checked. That it is in a TPM is proven by an activated credential only. */
export interface AttestationKey {
  readonly publicArea: TpmPublicArea;
  readonly name: Uint8Array;
  /** As a primary key of the owner hierarchy. */
  readonly qualifiedName: Uint8Array;
}

/**
 * Parses an AK's TPMT_PUBLIC and insists that it signs nothing but what its TPM says: restricted, sign, not decrypt,
 * fixedTPM, fixedParent, sensitiveDataOrigin, bound to the one signature scheme of its kind of key. An unrestricted key
 * would sign any forged statement. Throws `attestation-invalid`.
 */
export function requireAttestationKey(publicArea: Uint8Array): AttestationKey {
  const area = parsePublicArea(publicArea);
  requireAttributes(area, {
    set: ["restricted", "sign", "fixedTpm", "fixedParent", "sensitiveDataOrigin"],
    clear: ["decrypt", "encryptedDuplication"],
    failure: "attestation-key",
    what: "the attestation key",
  });
  if (boundSchemeOf(area) === undefined)
    throw attestationInvalid(
      "attestation-key",
      "the attestation key is not bound to the one scheme of its kind of key",
    );
  return {
    publicArea: area,
    name: nameOfPublicArea(area),
    qualifiedName: qualifiedNameOf(area, ownerHierarchy),
  };
}

/** TPM_RH_OWNER as the parent of its primary keys. */
export const ownerHierarchy: Uint8Array = tpmU32(0x40000001);
