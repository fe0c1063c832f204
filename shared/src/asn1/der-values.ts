import { type DerReader, derInvalid, tags } from "./der-reader.ts";

/** A bit string: its octets and how many bits of the last one are padding. */
export interface BitString {
  readonly bytes: Uint8Array;
  readonly unusedBits: number;
}

/** Reads BOOLEAN; DER knows only 0x00 and 0xff (X.690 §11.1). */
export function readBoolean(reader: DerReader): boolean {
  reader.skip(tags.boolean);
  const octet = reader.bytes[reader.contentStart];
  if (reader.contentEnd - reader.contentStart !== 1 || (octet !== 0 && octet !== 0xff))
    throw derInvalid("BOOLEAN is not 00 or ff");
  return octet === 0xff;
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
  const unusedBits = readPadding(reader, tag);
  return { bytes: reader.bytes.subarray(reader.contentStart + 1, reader.contentEnd), unusedBits };
}

/** Reads a BIT STRING that holds whole octets. */
export function readOctetAlignedBits(reader: DerReader, tag: number = tags.bitString): Uint8Array {
  if (readPadding(reader, tag) !== 0) throw derInvalid("BIT STRING does not hold whole octets");
  return reader.bytes.subarray(reader.contentStart + 1, reader.contentEnd);
}

/** Steps over a BIT STRING and returns how many bits of its last octet are padding. */
function readPadding(reader: DerReader, tag: number): number {
  reader.skip(tag);
  const { bytes, contentStart, contentEnd } = reader;
  const unusedBits = bytes[contentStart] as number;
  if (contentStart === contentEnd || unusedBits > 7) throw derInvalid("BIT STRING has no valid padding count");
  if (contentEnd === contentStart + 1) {
    if (unusedBits !== 0) throw derInvalid("empty BIT STRING claims padding");
  } else if (((bytes[contentEnd - 1] as number) & ((1 << unusedBits) - 1)) !== 0) {
    throw derInvalid("BIT STRING padding is not zero");
  }
  return unusedBits;
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
  reader.skip(tags.null);
  if (reader.contentEnd !== reader.contentStart) throw derInvalid("NULL has content");
}
