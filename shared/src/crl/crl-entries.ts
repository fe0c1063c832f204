import { DerReader, derInvalid, tags } from "../asn1/der-reader.ts";
import { readGeneralizedTime, timeAt } from "../asn1/der-time.ts";
import { type Extension, extensionOids, readExtensions } from "../certificate/extension.ts";
import { Serial } from "../certificate/serial.ts";
import type { Instant } from "../time/instant.ts";
import { encodedReasons } from "./entry-buffer.ts";
import { type ReasonCode, reasonCodeOf } from "./reason-code.ts";

/** One revoked certificate as a list tells it. */
export interface CrlEntry {
  readonly serial: Serial;
  readonly revokedAt: Instant;
  /** `unspecified` when the entry gives none. */
  readonly reason: ReasonCode;
  readonly invalidityDate?: Instant;
}

/**
 * The revokedCertificates of a list, kept as the bytes they came in: no object exists per entry.
 *
 * Opening walks all entries once and refuses malformed ones, serials that are not positive, and critical entry
 * extensions other than the reason (RFC 5280 §5.3: such a list must not be used). The first {@link find} builds a hash
 * table of offsets, four bytes a slot.
 */
export class CrlEntries {
  readonly count: number;
  readonly #bytes: Uint8Array;
  #table: Uint32Array | undefined;

  /** `bytes`: content of the revokedCertificates sequence. Throws `der-invalid`, `certificate-invalid` for a serial. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    let count = 0;
    for (let at = 0; at < bytes.length; count++) at = checkEntry(bytes, at);
    this.count = count;
  }

  /** The entry of a serial; the first, should a list name one twice. */
  find(serial: Serial): CrlEntry | undefined {
    const at = this.#findAt({ bytes: serial.bytes, start: 0, length: serial.bytes.length });
    return at === undefined ? undefined : readEntry(this.#bytes, at);
  }

  /** Hands over every serial's octets where they lie, in the order of the list. */
  eachSerial(take: (bytes: Uint8Array, start: number, length: number) => void): void {
    const bytes = this.#bytes;
    for (let at = 0; at < bytes.length; at = nextEntry(bytes, at)) {
      const start = at + headerLength(bytes, at) + 2;
      take(bytes, start, bytes[start - 1] as number);
    }
  }

  /** Entries that the other list lacks or tells otherwise, octet for octet; an object is made for these only. */
  *notIn(other: CrlEntries): Generator<CrlEntry, void, undefined> {
    const bytes = this.#bytes;
    for (let at = 0, end = 0; at < bytes.length; at = end) {
      end = nextEntry(bytes, at);
      if (!other.#hasEntry(bytes, at, end)) yield readEntry(bytes, at);
    }
  }

  /** All entries in the order of the list; each object is made when it is asked for. */
  *[Symbol.iterator](): Generator<CrlEntry, void, undefined> {
    for (let at = 0; at < this.#bytes.length; at = nextEntry(this.#bytes, at)) yield readEntry(this.#bytes, at);
  }

  /** Whether there is an entry of these octets. */
  #hasEntry(bytes: Uint8Array, from: number, to: number): boolean {
    const start = from + headerLength(bytes, from) + 2;
    const at = this.#findAt({ bytes, start, length: bytes[start - 1] as number });
    if (at === undefined || nextEntry(this.#bytes, at) - at !== to - from) return false;
    for (let index = to - from - 1; index >= 0; index--)
      if (this.#bytes[at + index] !== bytes[from + index]) return false;
    return true;
  }

  /** Offset of the entry with this serial. */
  #findAt(serial: SerialOctets): number | undefined {
    this.#table ??= this.#buildTable();
    const mask = this.#table.length - 1;
    for (let slot = hashSerial(serial.bytes, serial.start, serial.length) & mask; ; slot = (slot + 1) & mask) {
      const at = this.#table[slot] as number;
      if (at === 0) return undefined;
      if (this.#isSerialAt(at - 1, serial)) return at - 1;
    }
  }

  /** Open addressing, at most half full; a slot holds the entry's offset + 1, zero means empty. */
  #buildTable(): Uint32Array {
    const table = new Uint32Array(2 ** Math.ceil(Math.log2(this.count * 2 + 2)));
    for (let at = 0; at < this.#bytes.length; at = nextEntry(this.#bytes, at)) this.#insert(table, at);
    return table;
  }

  /** A serial that is there already keeps its first entry; else a list of one serial a million times would be slow. */
  #insert(table: Uint32Array, at: number): void {
    const mask = table.length - 1;
    const start = at + headerLength(this.#bytes, at) + 2;
    const length = this.#bytes[start - 1] as number;
    let slot = hashSerial(this.#bytes, start, length) & mask;
    while (table[slot] !== 0) {
      if (this.#isSerialAt((table[slot] as number) - 1, { bytes: this.#bytes, start, length })) return;
      slot = (slot + 1) & mask;
    }
    table[slot] = at + 1;
  }

  /** Whether the entry at an offset has the serial that lies at `start` in `bytes`. */
  #isSerialAt(at: number, serial: SerialOctets): boolean {
    const start = at + headerLength(this.#bytes, at) + 2;
    if (this.#bytes[start - 1] !== serial.length) return false;
    for (let index = 0; index < serial.length; index++)
      if (this.#bytes[start + index] !== serial.bytes[serial.start + index]) return false;
    return true;
  }
}

/** A serial inside a larger buffer. */
interface SerialOctets {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
}

/** Checks the entry at an offset and returns the offset behind it; only unusual extensions cost an allocation. */
function checkEntry(bytes: Uint8Array, at: number): number {
  const end = nextEntry(bytes, at);
  const start = at + headerLength(bytes, at);
  if (bytes[start] !== tags.integer) throw derInvalid("an entry does not begin with a serial number", start);
  const serialStart = start + 2;
  const serialLength = bytes[start + 1] as number;
  const timeStart = serialStart + serialLength + 2;
  if (timeStart > end) throw derInvalid("an entry is cut off", at);
  Serial.check(bytes, serialStart, serialLength);

  const timeTag = bytes[timeStart - 2];
  const timeLength = bytes[timeStart - 1] as number;
  const isTime =
    (timeTag === tags.utcTime && timeLength === 13) || (timeTag === tags.generalizedTime && timeLength === 15);
  if (!isTime || timeStart + timeLength > end) throw derInvalid("an entry has no revocation date", timeStart - 2);
  timeAt(bytes, timeStart, timeLength);
  if (timeStart + timeLength < end && !isKnownReason(bytes, timeStart + timeLength, end))
    checkEntryExtensions(bytes.subarray(timeStart + timeLength, end));
  return end;
}

function isKnownReason(bytes: Uint8Array, start: number, end: number): boolean {
  const number = bytes[end - 1] as number;
  const reason = reasonCodeOf(number);
  if (reason === undefined) return false;
  const known = encodedReasons[reason];
  if (known.length !== end - start) return false;
  for (let index = 0; index < known.length; index++) if (bytes[start + index] !== known[index]) return false;
  return true;
}

function checkEntryExtensions(der: Uint8Array): void {
  for (const extension of readEntryExtensions(der)) {
    if (extension.oid === extensionOids.reasonCode) readReason(extension.value);
    else if (extension.oid === extensionOids.invalidityDate) readDate(extension.value);
    // RFC 5280 §5.3: certificateIssuer belongs to indirect lists, which are not supported.
    else if (extension.critical) throw derInvalid(`critical entry extension ${extension.oid} is not supported`);
  }
}

function readEntry(bytes: Uint8Array, at: number): CrlEntry {
  const reader = new DerReader(bytes, { start: at }).enter(tags.sequence);
  const serial = new Serial(reader.content(tags.integer));
  const timeTag = reader.peekTag() as number;
  const time = reader.content(timeTag);
  const revokedAt = timeAt(time, 0, time.length);
  const extensions = reader.isAtEnd ? [] : readExtensions(reader);
  const findValue = (oid: string): Uint8Array | undefined =>
    extensions.find((extension) => extension.oid === oid)?.value;
  const reason = findValue(extensionOids.reasonCode);
  const invalidityDate = findValue(extensionOids.invalidityDate);
  return {
    serial,
    revokedAt,
    reason: reason === undefined ? "unspecified" : readReason(reason),
    ...(invalidityDate === undefined ? {} : { invalidityDate: readDate(invalidityDate) }),
  };
}

function readEntryExtensions(der: Uint8Array): Extension[] {
  const reader = new DerReader(der);
  const extensions = readExtensions(reader);
  reader.finish();
  return extensions;
}

function readReason(value: Uint8Array): ReasonCode {
  const reader = new DerReader(value);
  const content = reader.content(tags.enumerated);
  reader.finish();
  const reason = content.length === 1 ? reasonCodeOf(content[0] as number) : undefined;
  if (reason === undefined) throw derInvalid("an entry has an unknown reason code");
  return reason;
}

function readDate(value: Uint8Array): Instant {
  const reader = new DerReader(value);
  const date = readGeneralizedTime(reader);
  reader.finish();
  return date;
}

/** Entries are nearly always shorter than 128 bytes; two length octets are the most an entry may need. */
function headerLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at + 1] as number;
  return first < 0x80 ? 2 : first === 0x81 ? 3 : 4;
}

function nextEntry(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== tags.sequence) throw derInvalid("an entry is no sequence", at);
  const header = headerLength(bytes, at);
  const first = bytes[at + 1] as number;
  const high = bytes[at + 2] as number;
  const length = header === 2 ? first : header === 3 ? high : high * 256 + (bytes[at + 3] as number);
  const isMinimal = header === 2 || (header === 3 ? length >= 0x80 : first === 0x82 && length >= 0x100);
  const end = at + header + length;
  if (!isMinimal || !(end <= bytes.length))
    throw derInvalid("an entry is cut off, too long or has a length that is not minimal", at);
  return end;
}

/** FNV-1a over the last eight octets, which are random in every serial number made by the rules. */
function hashSerial(bytes: Uint8Array, start: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let at = start + Math.max(0, length - 8); at < start + length; at++)
    hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  return hash ^ (hash >>> 15);
}
