import { objectAttributes, sha256, type TpmCurve, type TpmPublicArea } from "@fleetcert/shared";

/** Kinds of key that are made here. */
export type TpmKeyAlgorithm = "P-256" | "RSA-2048";

/** The storage root key: P-256, as the TCG's provisioning guidance and tpm2-openssl make it. */
export const storageRootTemplate: TpmPublicArea = {
  nameHash: "sha256",
  attributes: attributeBits(
    "fixedTpm",
    "fixedParent",
    "sensitiveDataOrigin",
    "userWithAuth",
    "noDictionaryAttack",
    "restricted",
    "decrypt",
  ),
  authPolicy: nothing(),
  symmetric: { algorithm: "aes", bits: 128, mode: "cfb" },
  scheme: undefined,
  key: emptyKey("P-256"),
};

/** A device key: signs what it is given, with the scheme it is asked for, and never leaves the TPM. */
export function signingKeyTemplate(algorithm: TpmKeyAlgorithm): TpmPublicArea {
  return {
    nameHash: "sha256",
    // No authorisation value guards it, so nothing that fails counts towards a dictionary-attack lockout.
    attributes: attributeBits(
      "fixedTpm",
      "fixedParent",
      "sensitiveDataOrigin",
      "userWithAuth",
      "noDictionaryAttack",
      "sign",
    ),
    authPolicy: nothing(),
    symmetric: undefined,
    scheme: undefined,
    key: emptyKey(algorithm),
  };
}

/** A device key that signs only while a policy is satisfied, which takes the place of the empty authorisation value. */
export function underPolicy(template: TpmPublicArea, authPolicy: Uint8Array): TpmPublicArea {
  return { ...template, attributes: template.attributes & ~objectAttributes.userWithAuth, authPolicy };
}

/** The attestation key: restricted, so that it signs only what the TPM itself states. */
export function attestationKeyTemplate(algorithm: TpmKeyAlgorithm): TpmPublicArea {
  const template = signingKeyTemplate(algorithm);
  const name = sha256(new TextEncoder().encode("fleetcert/1/attestation-key"));
  return {
    ...template,
    attributes: template.attributes | objectAttributes.restricted,
    scheme: { name: algorithm === "P-256" ? "ecdsa" : "rsassa", hash: "sha256" },
    // A primary key is derived from its template: this keeps it apart from those of other programs.
    key: { ...template.key, ...(template.key.type === "ecc" ? { x: name } : { modulus: name }) },
  };
}

/** A key whose numbers are the TPM's to choose. */
export function emptyKey(algorithm: TpmCurve | "RSA-2048"): TpmPublicArea["key"] {
  if (algorithm === "RSA-2048") return { type: "rsa", bits: 2048, exponent: 0, modulus: nothing() };
  return { type: "ecc", curve: algorithm, x: nothing(), y: nothing() };
}

/** TPMA_OBJECT with these bits set. */
export function attributeBits(...names: readonly (keyof typeof objectAttributes)[]): number {
  return names.reduce((sum, name) => sum | objectAttributes[name], 0);
}

function nothing(): Uint8Array {
  return new Uint8Array(0);
}
