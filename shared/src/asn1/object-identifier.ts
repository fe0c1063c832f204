import { type DerReader, derInvalid, tags } from "./der-reader.ts";
import { derElement } from "./der-writer.ts";

/** Reads OBJECT IDENTIFIER as dotted text; at most 64 content octets. `tag` for implicit ones. */
export function readOid(reader: DerReader, tag: number = tags.oid): string {
  reader.skip(tag);
  const { bytes, contentStart: start, contentEnd: end } = reader;
  let hash = 0;
  for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0;
  const known = decoded.get(hash);
  if (known !== undefined && isContent(known.content, { bytes, start, end })) return known.text;
  const content = bytes.slice(start, end);
  const text = decodeOid(content);
  if (decoded.size >= maxRemembered) decoded.clear();
  decoded.set(hash, { content, text });
  return text;
}

/** Dotted text of OBJECT IDENTIFIER content octets. */
export function decodeOid(content: Uint8Array): string {
  if (content.length === 0 || content.length > maxOidBytes) throw derInvalid("OBJECT IDENTIFIER is empty or too long");
  let text = "";
  let arc: number | bigint = 0;
  let isArcStart = true;
  for (const octet of content) {
    if (isArcStart && octet === 0x80) throw derInvalid("OBJECT IDENTIFIER arc is not minimal");
    arc = appendGroup(arc, octet & 0x7f);
    isArcStart = octet < 0x80;
    if (!isArcStart) continue;
    text = text === "" ? firstArcs(arc) : `${text}.${arc}`;
    arc = 0;
  }
  if (!isArcStart) throw derInvalid("OBJECT IDENTIFIER is cut off");
  return text;
}

/** OBJECT IDENTIFIER element of dotted text; the bytes are shared, do not change them. */
export function encodeOid(oid: string): Uint8Array {
  const known = encoded.get(oid);
  if (known !== undefined) return known;
  const [first, second, ...rest] = oid.split(".").map(BigInt);
  if (first === undefined || second === undefined) throw derInvalid(`"${oid}" is no object identifier`);
  const der = derElement(tags.oid, Uint8Array.from([first * 40n + second, ...rest].flatMap(encodeArc)));
  if (encoded.size < maxRemembered) encoded.set(oid, der);
  return der;
}

function isContent(
  content: Uint8Array,
  { bytes, start, end }: { readonly bytes: Uint8Array; readonly start: number; readonly end: number },
): boolean {
  if (content.length !== end - start) return false;
  for (let index = 0; index < content.length; index++) if (content[index] !== bytes[start + index]) return false;
  return true;
}

/** Exact in a double up to 2^53; UUID arcs (2.25.…) need more. */
function appendGroup(arc: number | bigint, group: number): number | bigint {
  if (typeof arc === "number" && arc < 2 ** 46) return arc * 128 + group;
  return BigInt(arc) * 128n + BigInt(group);
}

function firstArcs(arc: number | bigint): string {
  if (arc < 80) return `${Math.floor(Number(arc) / 40)}.${Number(arc) % 40}`;
  return `2.${typeof arc === "bigint" ? arc - 80n : arc - 80}`;
}

function encodeArc(arc: bigint): number[] {
  const octets = [Number(arc & 0x7fn)];
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) octets.unshift(Number(rest & 0x7fn) | 0x80);
  return octets;
}

const maxOidBytes = 64;

/** A program reads and writes the same two dozen identifiers over and over; a certificate alone holds a dozen. */
const encoded = new Map<string, Uint8Array>();
/** By a hash of the content; a peer that sends others on purpose empties it, no more. */
const decoded = new Map<number, { readonly content: Uint8Array; readonly text: string }>();
const maxRemembered = 128;
