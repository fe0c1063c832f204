import { type DerReader, derInvalid, tags } from "./der-reader.ts";
import { derElement } from "./der-writer.ts";

/** Reads OBJECT IDENTIFIER as dotted text; at most 64 content octets. `tag` for implicit ones. */
export function readOid(reader: DerReader, tag: number = tags.oid): string {
  return decodeOid(reader.content(tag));
}

/** Dotted text of OBJECT IDENTIFIER content octets. */
export function decodeOid(content: Uint8Array): string {
  if (content.length === 0 || content.length > maxOidBytes) throw derInvalid("OBJECT IDENTIFIER is empty or too long");
  if ((content.at(-1) as number) >= 0x80) throw derInvalid("OBJECT IDENTIFIER is cut off");
  let text = "";
  let start = 0;
  for (let index = 0; index < content.length; index++) {
    if ((content[index] as number) >= 0x80) continue;
    if (content[start] === 0x80) throw derInvalid("OBJECT IDENTIFIER arc is not minimal");
    const arc = decodeArc(content.subarray(start, index + 1));
    text = text === "" ? firstArcs(arc) : `${text}.${arc}`;
    start = index + 1;
  }
  return text;
}

/** OBJECT IDENTIFIER element of dotted text. */
export function encodeOid(oid: string): Uint8Array {
  const [first, second, ...rest] = oid.split(".").map(BigInt);
  if (first === undefined || second === undefined) throw derInvalid(`"${oid}" is no object identifier`);
  return derElement(tags.oid, Uint8Array.from([first * 40n + second, ...rest].flatMap(encodeArc)));
}

function decodeArc(octets: Uint8Array): number | bigint {
  // Up to seven groups of seven bits stay exact in a double; UUID arcs (2.25.…) need more.
  if (octets.length <= 7) return octets.reduce((value, octet) => value * 128 + (octet & 0x7f), 0);
  return octets.reduce((value, octet) => value * 128n + BigInt(octet & 0x7f), 0n);
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
