import type { TpmCurve, TpmPublicArea } from "@fleetcert/shared";
import { endorsementPolicies } from "./endorsement-policies.ts";
import { attributeBits, emptyKey } from "./templates.ts";

/** A kind of endorsement key of the TCG EK Credential Profile, and where the TPM's memory has what belongs to it. */
export interface EndorsementProfile {
  /** As the profile calls it. */
  readonly name: string;
  readonly template: TpmPublicArea;
  readonly certificateIndex: number;
  /** Where a template that differs is kept, if any. */
  readonly templateIndex: number;
  /** Where the key itself may be kept, ready made. */
  readonly persistentHandle: number;
}

/** Those looked for, in the order of preference: small keys are faster. */
export const endorsementProfiles: readonly EndorsementProfile[] = [
  lowRange("L-2", "P-256", { certificateIndex: 0x01c0000a, templateIndex: 0x01c0000c, persistentHandle: 0x81010002 }),
  highRange("H-2", "P-256", { certificateIndex: 0x01c00014, templateIndex: 0x01c00015, persistentHandle: 0x81010014 }),
  highRange("H-3", "P-384", { certificateIndex: 0x01c00016, templateIndex: 0x01c00017, persistentHandle: 0x81010016 }),
  lowRange("L-1", "RSA-2048", {
    certificateIndex: 0x01c00002,
    templateIndex: 0x01c00004,
    persistentHandle: 0x81010001,
  }),
  highRange("H-1", "RSA-2048", {
    certificateIndex: 0x01c00012,
    templateIndex: 0x01c00013,
    persistentHandle: 0x81010012,
  }),
];

type Places = Pick<EndorsementProfile, "certificateIndex" | "templateIndex" | "persistentHandle">;

function lowRange(name: string, key: "P-256" | "RSA-2048", places: Places): EndorsementProfile {
  const template: TpmPublicArea = {
    nameHash: "sha256",
    attributes: attributeBits(
      "fixedTpm",
      "fixedParent",
      "sensitiveDataOrigin",
      "adminWithPolicy",
      "restricted",
      "decrypt",
    ),
    authPolicy: endorsementPolicies.sha256.branches[0],
    symmetric: { algorithm: "aes", bits: 128, mode: "cfb" },
    scheme: undefined,
    key: zeroKey(key),
  };
  return { name, template, ...places };
}

function highRange(name: string, key: TpmCurve | "RSA-2048", places: Places): EndorsementProfile {
  const isLarge = key === "P-384";
  const template: TpmPublicArea = {
    nameHash: isLarge ? "sha384" : "sha256",
    attributes: attributeBits(
      "fixedTpm",
      "fixedParent",
      "sensitiveDataOrigin",
      "userWithAuth",
      "adminWithPolicy",
      "restricted",
      "decrypt",
    ),
    authPolicy: isLarge ? endorsementPolicies.sha384.whole : endorsementPolicies.sha256.whole,
    symmetric: { algorithm: "aes", bits: isLarge ? 256 : 128, mode: "cfb" },
    scheme: undefined,
    key: emptyKey(key),
  };
  return { name, template, ...places };
}

/** Low-range templates have zeros of full length where the key will be. */
function zeroKey(algorithm: "P-256" | "RSA-2048"): TpmPublicArea["key"] {
  const key = emptyKey(algorithm);
  return key.type === "rsa"
    ? { ...key, modulus: new Uint8Array(256) }
    : { ...key, x: new Uint8Array(32), y: new Uint8Array(32) };
}
