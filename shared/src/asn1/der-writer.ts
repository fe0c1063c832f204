import { tags } from "./der-reader.ts";

/** One DER element: tag, minimal definite length, the given contents one after the other. */
export function derElement(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const content of contents) length += content.length;
  const element = new Uint8Array(headerOctets(length) + length);
  let at = writeHeader(element, 0, { tag, length });
  for (const content of contents) {
    element.set(content, at);
    at += content.length;
  }
  return element;
}

/** Tag and minimal definite length of an element with this many content octets. */
export function derHeader(tag: number, length: number): Uint8Array {
  const header = new Uint8Array(headerOctets(length));
  writeHeader(header, 0, { tag, length });
  return header;
}

/** SEQUENCE of the given elements. */
export const derSequence = (...elements: readonly Uint8Array[]): Uint8Array => derElement(tags.sequence, ...elements);

/** SET OF, in the order DER asks for (X.690 §11.6). */
export const derSetOf = (elements: readonly Uint8Array[]): Uint8Array =>
  derElement(tags.set, ...elements.toSorted(compareBytes));

/** BOOLEAN. */
export const derBoolean = (value: boolean): Uint8Array => Uint8Array.of(tags.boolean, 1, value ? 0xff : 0);

/** NULL. */
export const derNull = (): Uint8Array => Uint8Array.of(tags.null, 0);

/** OCTET STRING around the given contents. */
export const derOctetString = (...contents: readonly Uint8Array[]): Uint8Array =>
  derElement(tags.octetString, ...contents);

/** BIT STRING of whole octets. */
export const derBitString = (bytes: Uint8Array): Uint8Array => derElement(tags.bitString, zero, bytes);

/** Non-negative INTEGER; `tag` for implicit ones. */
export function derInteger(value: number | bigint, tag: number = tags.integer): Uint8Array {
  const hex = value.toString(16);
  return derUnsigned(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex"), tag);
}

/** Non-negative INTEGER of big-endian octets; leading zeros are dropped, a sign octet is added where needed. */
export function derUnsigned(bigEndian: Uint8Array, tag: number = tags.integer): Uint8Array {
  let start = 0;
  while (start < bigEndian.length && bigEndian[start] === 0) start++;
  const magnitude = bigEndian.subarray(start);
  const needsZero = magnitude.length === 0 || (magnitude[0] as number) >= 0x80;
  return derElement(tag, needsZero ? zero : noBytes, magnitude);
}

/** BIT STRING of named bits without trailing zero bits (X.690 §11.2.2). */
export function derNamedBits(bits: Iterable<number>, tag: number = tags.bitString): Uint8Array {
  const numbers = [...bits];
  if (numbers.length === 0) return Uint8Array.of(tag, 1, 0);
  const highest = Math.max(...numbers);
  const octets = new Uint8Array(Math.floor(highest / 8) + 1);
  for (const bit of numbers) octets[bit >> 3] = (octets[bit >> 3] as number) | (0x80 >> (bit & 7));
  return derElement(tag, Uint8Array.of(7 - (highest & 7)), octets);
}

/** Bytes of a text that is ASCII or UTF-8, under a string tag. */
export const derText = (tag: number, text: string): Uint8Array => derElement(tag, Buffer.from(text, "utf8"));

/** Joins byte strings. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Whether two byte strings are the same; not for secrets (time depends on the bytes). */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && compareBytes(left, right) === 0;
}

/** Octets of tag and minimal definite length before this many content octets. */
export function headerOctets(length: number): number {
  if (length < 0x80) return 2;
  return length < 0x100 ? 3 : length < 0x10000 ? 4 : length < 0x1000000 ? 5 : 6;
}

/** Writes tag and minimal definite length at an offset and returns the offset behind them. */
export function writeHeader(
  target: Uint8Array,
  at: number,
  { tag, length }: { readonly tag: number; readonly length: number },
): number {
  const lengthOctets = headerOctets(length) - 2;
  target[at] = tag;
  target[at + 1] = lengthOctets === 0 ? length : 0x80 | lengthOctets;
  for (let octet = 1; octet <= lengthOctets; octet++) target[at + 1 + octet] = length >>> (8 * (lengthOctets - octet));
  return at + 2 + lengthOctets;
}

function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const shared = Math.min(left.length, right.length);
  for (let index = 0; index < shared; index++) {
    const difference = (left[index] as number) - (right[index] as number);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

const noBytes = new Uint8Array(0);

const zero = Uint8Array.of(0);
