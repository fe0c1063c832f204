import { readTpmHash, type TpmHash, tpmAlgorithms, tpmDigest } from "./tpm-algorithm.ts";
import { readTpm, type TpmReader } from "./tpm-reader.ts";
import { tpmJoin, tpmSized, tpmU16, tpmU32 } from "./tpm-writer.ts";

/** What a TPM says publicly of a key (TPMT_PUBLIC): algorithm, attributes, policy and the public key. */
export interface TpmPublicArea {
  /** Hash of the key's name, and of the seeds that are shared with it. */
  readonly nameHash: TpmHash;
  /** TPMA_OBJECT, see {@link objectAttributes}. */
  readonly attributes: number;
  readonly authPolicy: Uint8Array;
  /** Of storage keys; undefined for TPM_ALG_NULL. */
  readonly symmetric: { readonly algorithm: "aes"; readonly bits: number; readonly mode: "cfb" } | undefined;
  /** The one signature scheme the key is bound to; undefined for TPM_ALG_NULL. */
  readonly scheme: TpmSignatureScheme | undefined;
  readonly key: TpmPublicKey;
}

/** A signature scheme with its hash. */
export interface TpmSignatureScheme {
  readonly name: "rsassa" | "rsapss" | "ecdsa";
  readonly hash: TpmHash;
}

/** The public key; in templates its numbers may be empty or chosen by the caller. */
export type TpmPublicKey =
  | { readonly type: "rsa"; readonly bits: number; readonly exponent: number; readonly modulus: Uint8Array }
  | { readonly type: "ecc"; readonly curve: TpmCurve; readonly x: Uint8Array; readonly y: Uint8Array };

/** Curves of keys and endorsement keys. */
export type TpmCurve = "P-256" | "P-384";

/** Bits of TPMA_OBJECT (TPM 2.0 Library Part 2 §8.3). */
export const objectAttributes = {
  fixedTpm: 0x00000002,
  stClear: 0x00000004,
  fixedParent: 0x00000010,
  sensitiveDataOrigin: 0x00000020,
  userWithAuth: 0x00000040,
  adminWithPolicy: 0x00000080,
  noDictionaryAttack: 0x00000400,
  encryptedDuplication: 0x00000800,
  restricted: 0x00010000,
  decrypt: 0x00020000,
  sign: 0x00040000,
} as const;

/** Parses one TPMT_PUBLIC of an RSA or ECC key; throws `attestation-invalid`. */
export function parsePublicArea(bytes: Uint8Array): TpmPublicArea {
  return readTpm(bytes, maxPublicAreaBytes, readPublicArea);
}

/** Writes a TPMT_PUBLIC; also of templates. */
export function encodePublicArea(area: TpmPublicArea): Uint8Array {
  const { key } = area;
  return tpmJoin(
    tpmU16(tpmAlgorithms[key.type]),
    tpmU16(tpmAlgorithms[area.nameHash]),
    tpmU32(area.attributes),
    tpmSized(area.authPolicy),
    encodeSymmetric(area.symmetric),
    encodeScheme(area.scheme),
    ...(key.type === "rsa"
      ? [tpmU16(key.bits), tpmU32(key.exponent), tpmSized(key.modulus)]
      : [tpmU16(curveIds[key.curve]), tpmU16(tpmAlgorithms.null), tpmSized(key.x), tpmSized(key.y)]),
  );
}

/** Name of an object: its name hash and the digest of its public area (Part 1 §16). */
export function nameOfPublicArea(area: TpmPublicArea): Uint8Array {
  return tpmJoin(tpmU16(tpmAlgorithms[area.nameHash]), tpmDigest(area.nameHash, encodePublicArea(area)));
}

/** Name of an object together with all its ancestors; `parent` is a qualified name or, at the top, a hierarchy's handle. */
export function qualifiedNameOf(area: TpmPublicArea, parent: Uint8Array): Uint8Array {
  const digest = tpmDigest(area.nameHash, tpmJoin(parent, nameOfPublicArea(area)));
  return tpmJoin(tpmU16(tpmAlgorithms[area.nameHash]), digest);
}

/** Octets of a TPM2B_NAME at most: hash identifier and the longest digest. */
export const maxNameBytes = 66;

function readPublicArea(reader: TpmReader): TpmPublicArea {
  const type = reader.u16();
  if (type !== tpmAlgorithms.rsa && type !== tpmAlgorithms.ecc)
    throw reader.invalid(`object type 0x${type.toString(16)} is not a public key`);
  const nameHash = readTpmHash(reader);
  const attributes = reader.u32();
  const authPolicy = reader.sized(64);
  const symmetric = readSymmetric(reader);
  const scheme = readScheme(reader);
  const key = type === tpmAlgorithms.rsa ? readRsa(reader) : readEcc(reader);
  return { nameHash, attributes, authPolicy, symmetric, scheme, key };
}

function readSymmetric(reader: TpmReader): TpmPublicArea["symmetric"] {
  const algorithm = reader.u16();
  if (algorithm === tpmAlgorithms.null) return undefined;
  if (algorithm !== tpmAlgorithms.aes) throw reader.invalid(`symmetric algorithm 0x${algorithm.toString(16)}`);
  const bits = reader.u16();
  if (bits !== 128 && bits !== 256) throw reader.invalid(`AES of ${bits} bits`);
  if (reader.u16() !== tpmAlgorithms.cfb) throw reader.invalid("a mode other than CFB");
  return { algorithm: "aes", bits, mode: "cfb" };
}

function readScheme(reader: TpmReader): TpmSignatureScheme | undefined {
  const id = reader.u16();
  if (id === tpmAlgorithms.null) return undefined;
  const name = (["rsassa", "rsapss", "ecdsa"] as const).find((known) => tpmAlgorithms[known] === id);
  if (name === undefined) throw reader.invalid(`scheme 0x${id.toString(16)}`);
  return { name, hash: readTpmHash(reader) };
}

function readRsa(reader: TpmReader): TpmPublicKey {
  const bits = reader.u16();
  const exponent = reader.u32();
  const modulus = reader.sized(512);
  // Empty in templates that leave the number to the TPM.
  if (modulus.length > 0 && modulus.length * 8 !== bits)
    throw reader.invalid(`a modulus of ${modulus.length} octets for ${bits} bits`);
  return { type: "rsa", bits, exponent, modulus };
}

function readEcc(reader: TpmReader): TpmPublicKey {
  const id = reader.u16();
  const curve = (["P-256", "P-384"] as const).find((known) => curveIds[known] === id);
  if (curve === undefined) throw reader.invalid(`curve 0x${id.toString(16)}`);
  if (reader.u16() !== tpmAlgorithms.null) throw reader.invalid("a key derivation scheme");
  return { type: "ecc", curve, x: reader.sized(curveBytes[curve]), y: reader.sized(curveBytes[curve]) };
}

function encodeSymmetric(symmetric: TpmPublicArea["symmetric"]): Uint8Array {
  if (symmetric === undefined) return tpmU16(tpmAlgorithms.null);
  return tpmJoin(tpmU16(tpmAlgorithms.aes), tpmU16(symmetric.bits), tpmU16(tpmAlgorithms.cfb));
}

function encodeScheme(scheme: TpmSignatureScheme | undefined): Uint8Array {
  if (scheme === undefined) return tpmU16(tpmAlgorithms.null);
  return tpmJoin(tpmU16(tpmAlgorithms[scheme.name]), tpmU16(tpmAlgorithms[scheme.hash]));
}

const curveIds: Readonly<Record<TpmCurve, number>> = { "P-256": 0x0003, "P-384": 0x0004 };

/** Octets of a coordinate. */
export const curveBytes: Readonly<Record<TpmCurve, number>> = { "P-256": 32, "P-384": 48 };

const maxPublicAreaBytes = 1024;
