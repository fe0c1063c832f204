import { tags } from "./der-reader.ts";
import { headerOctets, writeHeader } from "./der-writer.ts";

/**
 * An element still to be written. A whole object is put together from these and written once: the bytes of every layer
 * made by themselves are a dozen times the work (measured on certificates).
 */
export interface DerTree {
  readonly tag: number;
  readonly contents: readonly DerPart[];
  /** Content octets. */
  readonly length: number;
}

/** What an element may hold: other elements, octets as they are, text as UTF-8. */
export type DerPart = DerTree | Uint8Array | string;

/** An element of the given contents one after the other. */
export function derTree(tag: number, ...contents: readonly DerPart[]): DerTree {
  let length = 0;
  for (const part of contents) length += octetsOf(part);
  return { tag, contents, length };
}

/** SEQUENCE of the given elements. */
export const sequenceTree = (...elements: readonly DerPart[]): DerTree => derTree(tags.sequence, ...elements);

/** DER of an element: minimal definite lengths throughout. */
export function encodeTree(tree: DerTree): Uint8Array {
  const target = new Uint8Array(octetsOf(tree));
  writePart(target, 0, tree);
  return target;
}

function octetsOf(part: DerPart): number {
  if (typeof part === "string") return Buffer.byteLength(part, "utf8");
  return part instanceof Uint8Array ? part.length : headerOctets(part.length) + part.length;
}

/** Returns the offset behind what was written. */
function writePart(target: Uint8Array, at: number, part: DerPart): number {
  if (typeof part === "string") return writeText(target, at, part);
  if (part instanceof Uint8Array) {
    target.set(part, at);
    return at + part.length;
  }
  let end = writeHeader(target, at, part);
  for (const inner of part.contents) end = writePart(target, end, inner);
  return end;
}

function writeText(target: Uint8Array, at: number, text: string): number {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code >= 0x80) return writePart(target, at, Buffer.from(text, "utf8"));
    target[at + index] = code;
  }
  return at + text.length;
}
