import { derSequence, derUnsigned } from "../asn1/der-writer.ts";
import type { KeyAlgorithm } from "../key/key.ts";
import { verifySignature } from "../key/verify-signature.ts";
import { attestationInvalid } from "./attestation-failure.ts";
import type { TpmPublicArea, TpmSignatureScheme } from "./public-area.ts";
import { spkiOfPublicArea } from "./public-area-spki.ts";
import { readTpmHash, tpmAlgorithms } from "./tpm-algorithm.ts";
import { readTpm, type TpmReader } from "./tpm-reader.ts";

/** A signature as a TPM gives it (TPMT_SIGNATURE). */
export interface TpmSignature {
  readonly scheme: TpmSignatureScheme;
  /** ECDSA as DER, RSA as the plain number. */
  readonly value: Uint8Array;
}

/** Parses one TPMT_SIGNATURE; throws `attestation-invalid`. */
export function parseTpmSignature(bytes: Uint8Array): TpmSignature {
  return readTpm(bytes, 1024, readTpmSignature);
}

/** Reads a TPMT_SIGNATURE; throws `attestation-invalid`. */
export function readTpmSignature(reader: TpmReader): TpmSignature {
  const id = reader.u16();
  const name = (["rsassa", "rsapss", "ecdsa"] as const).find((known) => tpmAlgorithms[known] === id);
  if (name === undefined) throw reader.invalid(`signature scheme 0x${id.toString(16)}`);
  const scheme = { name, hash: readTpmHash(reader) };
  if (name !== "ecdsa") return { scheme, value: reader.sized(512) };
  const r = reader.sized(48);
  return { scheme, value: derSequence(derUnsigned(r), derUnsigned(reader.sized(48))) };
}

/**
 * Checks the signature of an attestation key over a statement. The scheme must be the one the key is bound to, which is
 * the one algorithm of its kind (ECDSA-SHA256 on P-256, ECDSA-SHA384 on P-384, RSASSA-SHA256). Throws `attestation-invalid`.
 */
export function requireTpmSignature(
  key: TpmPublicArea,
  { statement, signature }: { readonly statement: Uint8Array; readonly signature: Uint8Array },
): void {
  const { scheme, value } = parseTpmSignature(signature);
  const bound = boundSchemeOf(key);
  if (bound === undefined || bound.name !== scheme.name || bound.hash !== scheme.hash)
    throw attestationInvalid(
      "signature",
      `the statement is signed with ${scheme.name}-${scheme.hash}, not as its key is bound to`,
    );
  if (!verifySignature({ spki: spkiOfPublicArea(key), message: statement, signature: value }))
    throw attestationInvalid("signature", "the signature of the attestation key over the statement does not verify");
}

/** The scheme of a signing key, when it is the one of its kind of key; else undefined. */
export function boundSchemeOf({ key, scheme }: TpmPublicArea): TpmSignatureScheme | undefined {
  const kind: KeyAlgorithm = key.type === "ecc" ? key.curve : "RSA-2048";
  const wanted = { "P-256": "ecdsa-sha256", "P-384": "ecdsa-sha384", "RSA-2048": "rsassa-sha256" }[kind];
  return scheme !== undefined && `${scheme.name}-${scheme.hash}` === wanted ? scheme : undefined;
}
