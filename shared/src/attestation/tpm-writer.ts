import { concatBytes } from "../asn1/der-writer.ts";
import { FleetError } from "../errors.ts";

/** UINT8. */
export const tpmU8 = (value: number): Uint8Array => Uint8Array.of(value);

/** UINT16, big-endian as everything in a TPM. */
export const tpmU16 = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value);

/** UINT32. */
export const tpmU32 = (value: number): Uint8Array => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);

/** A sized buffer (TPM2B) around the given contents; throws `internal` past 65535 octets. */
export function tpmSized(...contents: readonly Uint8Array[]): Uint8Array {
  const content = concatBytes(...contents);
  if (content.length > 0xffff) throw new FleetError("internal", `a TPM buffer of ${content.length} octets`);
  return concatBytes(tpmU16(content.length), content);
}

/** Joins structures. */
export const tpmJoin = concatBytes;
