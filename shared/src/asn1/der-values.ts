import { type DerReader, derInvalid, tags } from "./der-reader.ts";

/** A bit string: its octets and how many bits of the last one are padding. */
export interface BitString {
  readonly bytes: Uint8Array;
  readonly unusedBits: number;
}

/** Reads BOOLEAN; DER knows only 0x00 and 0xff (X.690 §11.1). */
export function readBoolean(reader: DerReader): boolean {
  const content = reader.content(tags.boolean);
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw derInvalid("BOOLEAN is not 00 or ff");
  return content[0] === 0xff;
}

/** Reads `BOOLEAN DEFAULT FALSE`, which DER forbids to be written when false (X.690 §11.5). */
export function readBooleanDefaultFalse(reader: DerReader): boolean {
  if (!reader.nextIs(tags.boolean)) return false;
  if (!readBoolean(reader)) throw derInvalid("a default value is written out");
  return true;
}

/** Content octets of an INTEGER, checked to be minimal; `tag` for implicit ones. */
export function readIntegerBytes(reader: DerReader, tag: number = tags.integer): Uint8Array {
  const content = reader.content(tag);
  const first = content[0];
  const second = content[1];
  if (first === undefined) throw derInvalid("INTEGER is empty");
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)))
    throw derInvalid("INTEGER is not minimal");
  return content;
}

/** Reads a non-negative INTEGER of at most 2^31 − 1. */
export function readSmallInteger(reader: DerReader, tag: number = tags.integer): number {
  const content = readIntegerBytes(reader, tag);
  if (content.length > 4 || (content[0] as number) >= 0x80) throw derInvalid("INTEGER is negative or too large");
  return content.reduce((value, octet) => value * 256 + octet, 0);
}

/** Reads a non-negative INTEGER of at most 20 octets. */
export function readBigInteger(reader: DerReader): bigint {
  const content = readIntegerBytes(reader);
  if (content.length > 20 || (content[0] as number) >= 0x80) throw derInvalid("INTEGER is negative or too large");
  return content.reduce((value, octet) => value * 256n + BigInt(octet), 0n);
}

/** Reads BIT STRING; padding bits must be zero (X.690 §11.2.1). */
export function readBitString(reader: DerReader, tag: number = tags.bitString): BitString {
  const content = reader.content(tag);
  const unusedBits = content[0];
  if (unusedBits === undefined || unusedBits > 7) throw derInvalid("BIT STRING has no valid padding count");
  const bytes = content.subarray(1);
  const last = bytes[bytes.length - 1];
  if (last === undefined && unusedBits !== 0) throw derInvalid("empty BIT STRING claims padding");
  if (last !== undefined && (last & ((1 << unusedBits) - 1)) !== 0) throw derInvalid("BIT STRING padding is not zero");
  return { bytes, unusedBits };
}

/** Reads a BIT STRING that holds whole octets. */
export function readOctetAlignedBits(reader: DerReader, tag: number = tags.bitString): Uint8Array {
  const { bytes, unusedBits } = readBitString(reader, tag);
  if (unusedBits !== 0) throw derInvalid("BIT STRING does not hold whole octets");
  return bytes;
}

/** Reads a BIT STRING of named bits, whose trailing zero bits DER drops (X.690 §11.2.2); returns the set bit numbers. */
export function readNamedBits(reader: DerReader, tag: number = tags.bitString): ReadonlySet<number> {
  const { bytes, unusedBits } = readBitString(reader, tag);
  const last = bytes.at(-1);
  if (bytes.length > 8) throw derInvalid("too many named bits");
  if (last !== undefined && ((last >> unusedBits) & 1) === 0) throw derInvalid("named bits end in zero bits");
  const set = new Set<number>();
  for (const [index, octet] of bytes.entries()) {
    for (let bit = 0; bit < 8; bit++) if (octet & (0x80 >> bit)) set.add(index * 8 + bit);
  }
  return set;
}

/** Reads NULL. */
export function readNull(reader: DerReader): void {
  if (reader.content(tags.null).length !== 0) throw derInvalid("NULL has content");
}
