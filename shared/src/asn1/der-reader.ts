import { FleetError } from "../errors.ts";

/** Tags of the universal and context classes that X.509 uses; all fit one byte. */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The tag `[number]` of the context class. */
export const contextTag = (number: number, form: "primitive" | "constructed"): number =>
  (form === "constructed" ? 0xa0 : 0x80) | number;

/**
 * Reads one run of strict DER elements: definite, minimal lengths and one-byte tags only (X.690 §10.1).
 * Views into the input are handed out, never copies. Every defect throws `der-invalid` with its offset.
 */
export class DerReader {
  readonly bytes: Uint8Array;
  /** Offset of the next element in {@link bytes}. */
  position: number;
  readonly end: number;
  /** Where in {@link bytes} the content of the element read last begins and ends. */
  contentStart = 0;
  contentEnd = 0;
  readonly #depth: number;

  constructor(
    bytes: Uint8Array,
    span: { readonly start?: number; readonly end?: number; readonly depth?: number } = {},
  ) {
    this.bytes = bytes;
    this.position = span.start ?? 0;
    this.end = span.end ?? bytes.length;
    this.#depth = span.depth ?? 0;
  }

  get isAtEnd(): boolean {
    return this.position >= this.end;
  }

  /** Whether the next element has this tag; false at the end. */
  nextIs(tag: number): boolean {
    return this.position < this.end && this.bytes[this.position] === tag;
  }

  /** Tag of the next element, undefined at the end. */
  peekTag(): number | undefined {
    return this.position < this.end ? this.bytes[this.position] : undefined;
  }

  /** Steps into the next element, which must be constructed and have this tag. */
  enter(tag: number): DerReader {
    this.skip(tag);
    if (this.#depth >= maxDepth) throw derInvalid(`nesting deeper than ${maxDepth}`, this.contentStart);
    return new DerReader(this.bytes, { start: this.contentStart, end: this.contentEnd, depth: this.#depth + 1 });
  }

  /** Content bytes of the next element, which must have this tag. */
  content(tag: number): Uint8Array {
    this.skip(tag);
    return this.bytes.subarray(this.contentStart, this.contentEnd);
  }

  /** The next element whole, header and content; with a tag it must have that one. */
  element(tag?: number): Uint8Array {
    const start = this.position;
    this.skip(tag);
    return this.bytes.subarray(start, this.contentEnd);
  }

  /** Demands that nothing follows. */
  finish(): void {
    if (this.position !== this.end) throw derInvalid(`${this.end - this.position} trailing bytes`, this.position);
  }

  /** Steps over the next element; with a tag it must have that one. Makes no object. */
  skip(tag?: number): void {
    const { bytes, end } = this;
    const start = this.position;
    if (start >= end) throw derInvalid("element missing", start);
    const found = bytes[start] as number;
    if (tag !== undefined && found !== tag)
      throw derInvalid(`tag ${hexByte(found)} where ${hexByte(tag)} belongs`, start);
    if ((found & 0x1f) === 0x1f || found === 0) throw derInvalid(`tag ${hexByte(found)} is not supported`, start);

    let at = start + 1;
    if (at >= end) throw derInvalid("length missing", at);
    let length = bytes[at++] as number;
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0 || count > 4) throw derInvalid("length is indefinite or longer than four octets", at - 1);
      if (at + count > end) throw derInvalid("length is cut off", at);
      length = 0;
      for (let read = 0; read < count; read++) length = length * 256 + (bytes[at++] as number);
      const smallest = count === 1 ? 0x80 : 2 ** (8 * (count - 1));
      if (length < smallest) throw derInvalid("length is not minimal", start + 1);
    }
    if (length > end - at) throw derInvalid(`content of ${length} bytes reaches past the end`, start);
    this.contentStart = at;
    this.contentEnd = at + length;
    this.position = at + length;
  }
}

/** Reads bytes that must be exactly one element of this tag, within `maxBytes`, and hands its content to `read`. */
export function readDer<T>(
  bytes: Uint8Array,
  { tag, maxBytes }: { readonly tag: number; readonly maxBytes: number },
  read: (content: DerReader) => T,
): T {
  if (bytes.length > maxBytes) throw derInvalid(`${bytes.length} bytes, limit ${maxBytes}`, 0);
  const outer = new DerReader(bytes);
  const inner = outer.enter(tag);
  outer.finish();
  const value = read(inner);
  inner.finish();
  return value;
}

/** A `der-invalid` error that says where. */
export function derInvalid(message: string, offset?: number): FleetError {
  return new FleetError("der-invalid", offset === undefined ? `DER: ${message}` : `DER: ${message} at byte ${offset}`);
}

const hexByte = (value: number): string => `0x${value.toString(16).padStart(2, "0")}`;

/** Real objects nest 8 to 12 deep; a bound keeps hostile ones from growing the stack. */
const maxDepth = 24;
