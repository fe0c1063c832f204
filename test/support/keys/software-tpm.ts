import { createPublicKey, generateKeyPairSync, hash, type KeyObject, sign } from "node:crypto";
import {
  encodePublicArea,
  nameOfPublicArea,
  objectAttributes,
  type PcrSelection,
  type SignedStatement,
  type TpmPublicArea,
  tpmAlgorithms,
  tpmJoin,
  tpmSized,
  tpmU8,
  tpmU16,
  tpmU32,
} from "@fleetcert/shared";

/** A key of a make-believe TPM whose private half the test holds, so that it can lie as an attacker would. */
export interface SoftwareTpmKey {
  readonly area: TpmPublicArea;
  /** TPMT_PUBLIC. */
  readonly publicArea: Uint8Array;
  readonly privateKey: KeyObject;
}

/** Attribute bits by name. */
export const attributesOf = (...names: readonly (keyof typeof objectAttributes)[]): number =>
  names.reduce((sum, name) => sum | objectAttributes[name], 0);

/** Attributes of an honest attestation key. */
export const honestAttestation = attributesOf(
  "restricted",
  "sign",
  "fixedTpm",
  "fixedParent",
  "sensitiveDataOrigin",
  "userWithAuth",
);

/** Attributes of an honest device key. */
export const honestSigning = attributesOf("sign", "fixedTpm", "fixedParent", "sensitiveDataOrigin", "userWithAuth");

/** Attributes of an honest storage key. */
export const honestStorage = attributesOf(
  "restricted",
  "decrypt",
  "fixedTpm",
  "fixedParent",
  "sensitiveDataOrigin",
  "userWithAuth",
);

/** Makes a key; by default P-256, for signing, without a scheme. */
export function softwareTpmKey(wishes: {
  readonly attributes: number;
  readonly kind?: "P-256" | "P-384" | "RSA-2048";
  readonly scheme?: TpmPublicArea["scheme"];
  readonly symmetric?: TpmPublicArea["symmetric"];
  readonly nameHash?: TpmPublicArea["nameHash"];
}): SoftwareTpmKey {
  const { attributes, kind = "P-256", scheme, symmetric, nameHash = "sha256" } = wishes;
  const { privateKey } =
    kind === "RSA-2048"
      ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : generateKeyPairSync("ec", { namedCurve: kind });
  const { n = "", x = "", y = "" } = createPublicKey(privateKey).export({ format: "jwk" });
  const number = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64url"));
  const area: TpmPublicArea = {
    nameHash,
    attributes,
    authPolicy: new Uint8Array(0),
    symmetric,
    scheme,
    key:
      kind === "RSA-2048"
        ? { type: "rsa", bits: 2048, exponent: 0, modulus: number(n) }
        : { type: "ecc", curve: kind, x: number(x), y: number(y) },
  };
  return { area, publicArea: encodePublicArea(area), privateKey };
}

/** An attestation key that does what it is told. */
export const softwareAttestationKey = (attributes: number = honestAttestation): SoftwareTpmKey =>
  softwareTpmKey({ attributes, scheme: { name: "ecdsa", hash: "sha256" } });

/** A storage root key. */
export const softwareStorageKey = (attributes: number = honestStorage): SoftwareTpmKey =>
  softwareTpmKey({ attributes, symmetric: { algorithm: "aes", bits: 128, mode: "cfb" } });

/** Qualified name of a key under parents, the topmost first, in the owner hierarchy; computed here once more. */
export function qualifiedNameUnderOwner(...chain: readonly SoftwareTpmKey[]): Uint8Array {
  return chain.reduce<Uint8Array>(
    (parent, { area }) =>
      tpmJoin(
        tpmU16(tpmAlgorithms[area.nameHash]),
        hash(area.nameHash, tpmJoin(parent, nameOfPublicArea(area)), "buffer"),
      ),
    tpmU32(0x40000001),
  );
}

/** What a statement says; everything that is not given is what an honest TPM would say. */
export interface StatementWishes {
  readonly magic?: number;
  readonly type?: number;
  readonly signer: Uint8Array;
  readonly extraData: Uint8Array;
  /** TPMU_ATTEST. */
  readonly attested: Uint8Array;
}

/** TPMS_ATTEST. */
export function statementBytes({
  magic = 0xff544347,
  type = 0x8017,
  signer,
  extraData,
  attested,
}: StatementWishes): Uint8Array {
  const clock = tpmJoin(tpmU32(0), tpmU32(1000), tpmU32(1), tpmU32(0), tpmU8(1));
  const firmware = tpmJoin(tpmU32(7), tpmU32(42));
  return tpmJoin(tpmU32(magic), tpmU16(type), tpmSized(signer), tpmSized(extraData), clock, firmware, attested);
}

/** TPMS_CERTIFY_INFO. */
export const certifyInfo = (name: Uint8Array, qualifiedName: Uint8Array): Uint8Array =>
  tpmJoin(tpmSized(name), tpmSized(qualifiedName));

/** TPMS_QUOTE_INFO. */
export function quoteInfo(pcrs: readonly PcrSelection[], digest: Uint8Array): Uint8Array {
  const banks = pcrs.map(({ hash: bank, indices }) => {
    const bits = indices.reduce((sum, index) => sum | (1 << index), 0);
    return tpmJoin(tpmU16(tpmAlgorithms[bank]), tpmU8(3), Uint8Array.of(bits, bits >> 8, bits >> 16));
  });
  return tpmJoin(tpmU32(pcrs.length), ...banks, tpmSized(digest));
}

/** Signs a statement with ECDSA-SHA256, as TPMT_SIGNATURE; `key` need not be the one that the statement names. */
export function signStatement(attest: Uint8Array, key: SoftwareTpmKey): SignedStatement {
  const raw = sign("sha256", attest, { key: key.privateKey, dsaEncoding: "ieee-p1363" });
  const header = tpmJoin(tpmU16(tpmAlgorithms.ecdsa), tpmU16(tpmAlgorithms.sha256));
  return { attest, signature: tpmJoin(header, tpmSized(raw.subarray(0, 32)), tpmSized(raw.subarray(32))) };
}
