import { DerReader, derInvalid, tags } from "../asn1/der-reader.ts";
import { readIntegerBytes } from "../asn1/der-values.ts";
import { derSequence, derUnsigned } from "../asn1/der-writer.ts";

/**
 * DER signature (RFC 3279 §2.2.3) of r ‖ s as tokens give it (IEEE P1363); undefined when the length is not that of the
 * curve.
 */
export function ecdsaSignatureFromRaw(raw: Uint8Array, curve: "P-256" | "P-384"): Uint8Array | undefined {
  const half = octets[curve];
  if (raw.length !== 2 * half) return undefined;
  return derSequence(derUnsigned(raw.subarray(0, half)), derUnsigned(raw.subarray(half)));
}

/** r ‖ s of a DER signature; throws `der-invalid` when it is malformed or its numbers are too large for the curve. */
export function ecdsaSignatureToRaw(der: Uint8Array, curve: "P-256" | "P-384"): Uint8Array {
  const outer = new DerReader(der);
  const sequence = outer.enter(tags.sequence);
  outer.finish();
  const raw = new Uint8Array(2 * octets[curve]);
  for (const end of [octets[curve], raw.length]) {
    const number = readIntegerBytes(sequence);
    const magnitude = number[0] === 0 ? number.subarray(1) : number;
    if ((number[0] as number) >= 0x80 || magnitude.length > octets[curve])
      throw derInvalid("a signature number is negative or too large");
    raw.set(magnitude, end - magnitude.length);
  }
  sequence.finish();
  return raw;
}

const octets = { "P-256": 32, "P-384": 48 } as const;
