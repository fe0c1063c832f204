import type { KeyAlgorithm } from "@fleetcert/shared";
import { ck } from "./constants.ts";
import type { Cryptoki, Handle, Mechanism, Template } from "./cryptoki.ts";
import { asking } from "./token-error.ts";

/** How PKCS#11 makes and recognises the keys of one of our algorithms. */
export interface KeyKind {
  readonly algorithm: KeyAlgorithm;
  readonly keyType: number;
  readonly generation: Mechanism;
  /** What the public key's template says of its size or curve. */
  readonly publicTemplate: Template;
  readonly bits: number;
}

/** The algorithms a token can make keys for, asked of its mechanisms. */
export function supportedAlgorithms(cryptoki: Cryptoki, slot: Handle): KeyAlgorithm[] {
  const mechanisms = asking("C_GetMechanismList", () => cryptoki.C_GetMechanismList(slot));
  const ranges = new Map<number, { minKeySize: number; maxKeySize: number }>(
    [ck.CKM_EC_KEY_PAIR_GEN, ck.CKM_RSA_PKCS_KEY_PAIR_GEN, ck.CKM_EC_EDWARDS_KEY_PAIR_GEN]
      .filter((mechanism) => mechanisms.includes(mechanism))
      .map((mechanism) => [mechanism, infoOf(cryptoki, slot, mechanism)] as const),
  );
  const isSupported = ({ generation, bits }: KeyKind): boolean => {
    const range = ranges.get(generation.mechanism);
    return range !== undefined && range.minKeySize <= bits && bits <= range.maxKeySize;
  };
  return keyKinds.filter(isSupported).map(({ algorithm }) => algorithm);
}

function infoOf(cryptoki: Cryptoki, slot: Handle, mechanism: number) {
  return asking("C_GetMechanismInfo", () => cryptoki.C_GetMechanismInfo(slot, mechanism));
}

/** The kind of an algorithm; undefined for those PKCS#11 2.40 has no mechanism for. */
export function findKeyKind(algorithm: KeyAlgorithm): KeyKind | undefined {
  return keyKinds.find((kind) => kind.algorithm === algorithm);
}

/** The kind of an EC key by its CKA_EC_PARAMS. */
export function findCurve(ecParams: Uint8Array): KeyKind | undefined {
  if (Buffer.compare(ecParams, ed25519Oid) === 0) return ed25519;
  return keyKinds.find(({ publicTemplate: [first] }) => Buffer.isBuffer(first?.value) && first.value.equals(ecParams));
}

/** The kind of an RSA key by the bits of its modulus. */
export function findRsaSize(bits: number): KeyKind | undefined {
  return keyKinds.find((kind) => kind.keyType === ck.CKK_RSA && kind.bits === bits);
}

const curve = (algorithm: KeyAlgorithm, bits: number, oid: string): KeyKind => ({
  algorithm,
  bits,
  keyType: ck.CKK_EC,
  generation: { mechanism: ck.CKM_EC_KEY_PAIR_GEN },
  publicTemplate: [{ type: ck.CKA_EC_PARAMS, value: Buffer.from(oid, "hex") }],
});

const rsa = (algorithm: KeyAlgorithm, bits: number): KeyKind => ({
  algorithm,
  bits,
  keyType: ck.CKK_RSA,
  generation: { mechanism: ck.CKM_RSA_PKCS_KEY_PAIR_GEN },
  publicTemplate: [
    { type: ck.CKA_MODULUS_BITS, value: bits },
    { type: ck.CKA_PUBLIC_EXPONENT, value: Buffer.from("010001", "hex") },
  ],
});

// PKCS#11 3.0 §6.3.5 names the curve by a PrintableString "edwards25519" or by its object identifier (RFC 8410 §3).
const ed25519: KeyKind = {
  algorithm: "Ed25519",
  bits: 256,
  keyType: ck.CKK_EC_EDWARDS,
  generation: { mechanism: ck.CKM_EC_EDWARDS_KEY_PAIR_GEN },
  publicTemplate: [{ type: ck.CKA_EC_PARAMS, value: Buffer.from("130c656477617264733235353139", "hex") }],
};
const ed25519Oid = Buffer.from("06032b6570", "hex");

// The curves' object identifiers in DER: RFC 5480 §2.1.1.1.
const keyKinds: readonly KeyKind[] = [
  curve("P-256", 256, "06082a8648ce3d030107"),
  curve("P-384", 384, "06052b81040022"),
  rsa("RSA-2048", 2048),
  rsa("RSA-3072", 3072),
  rsa("RSA-4096", 4096),
  ed25519,
];
