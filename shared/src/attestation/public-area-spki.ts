import { derBitString, derInteger, derNull, derSequence, derUnsigned } from "../asn1/der-writer.ts";
import { encodeOid } from "../asn1/object-identifier.ts";
import { curveBytes, type TpmPublicArea } from "./public-area.ts";
import { tpmJoin } from "./tpm-writer.ts";

/** DER SubjectPublicKeyInfo of a TPM's public area (RFC 5480 §2, RFC 3279 §2.3.1). */
export function spkiOfPublicArea({ key }: TpmPublicArea): Uint8Array {
  if (key.type === "rsa") {
    // Part 2 §12.2.3.5: an exponent of zero stands for 65537.
    const exponent = key.exponent === 0 ? 65537 : key.exponent;
    const publicKey = derSequence(derUnsigned(key.modulus), derInteger(exponent));
    return derSequence(derSequence(encodeOid("1.2.840.113549.1.1.1"), derNull()), derBitString(publicKey));
  }
  const size = curveBytes[key.curve];
  const point = tpmJoin(Uint8Array.of(4), padLeft(key.x, size), padLeft(key.y, size));
  const curve = encodeOid(key.curve === "P-256" ? "1.2.840.10045.3.1.7" : "1.3.132.0.34");
  return derSequence(derSequence(encodeOid("1.2.840.10045.2.1"), curve), derBitString(point));
}

/** A number with leading zeros up to the length; TPMs may leave them out. */
export function padLeft(bytes: Uint8Array, length: number): Uint8Array {
  const padded = new Uint8Array(length);
  padded.set(bytes.subarray(Math.max(0, bytes.length - length)), Math.max(0, length - bytes.length));
  return padded;
}
