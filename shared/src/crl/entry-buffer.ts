import { tags } from "../asn1/der-reader.ts";
import { derGeneralizedTime, writeTime, writeTimeOfDay } from "../asn1/der-time.ts";
import { derElement, derHeader, derSequence } from "../asn1/der-writer.ts";
import { encodeExtension, extensionOids } from "../certificate/extension.ts";
import type { Serial, SerialHex } from "../certificate/serial.ts";
import { FleetError } from "../errors.ts";
import type { Instant } from "../time/instant.ts";
import { type ReasonCode, reasonCodeNumbers } from "./reason-code.ts";

/** What one entry says; the serial as it is stored, or parsed. */
export interface CrlEntryFields {
  readonly serial: Serial | SerialHex;
  readonly revokedAt: Instant;
  /** `unspecified` is left out of the entry, as RFC 5280 §5.3.1 asks. */
  readonly reason?: ReasonCode | undefined;
  readonly invalidityDate?: Instant | undefined;
}

/**
 * The revokedCertificates of a list under construction: entries are appended as DER to one buffer that doubles when full, so
 * that a million of them are a million times fifty octets and no object.
 */
export class CrlEntryBuffer {
  #buffer: Uint8Array;
  #length = room;
  #count = 0;
  /** Start of the day whose date is in {@link #date}. */
  #day: Instant = Number.NaN;
  readonly #time = new Uint8Array(longestTime);
  #date: Uint8Array = this.#time;

  /** `expected`: how many entries will come, when that is known. */
  constructor(expected = 64) {
    this.#buffer = new Uint8Array(room + expected * usualEntry);
  }

  /** How many entries were added. */
  get count(): number {
    return this.#count;
  }

  /** The entries so far, one after the other; a view that the next {@link add} may leave behind. */
  get content(): Uint8Array {
    return this.#buffer.subarray(room, this.#length);
  }

  /**
   * SEQUENCE of `head`, the list of entries when there is one (RFC 5280 §5.1.2.6), and `tail`: made around the entries
   * where they lie, because copying a long list costs as much as hashing it. Ends the use of this buffer.
   */
  enclose(head: Uint8Array, tail: Uint8Array): Uint8Array {
    const octets = this.#length - room;
    const listHeader = octets === 0 ? new Uint8Array(0) : derHeader(tags.sequence, octets);
    const outer = derHeader(tags.sequence, head.length + listHeader.length + octets + tail.length);
    if (listHeader.length + head.length + outer.length > room) {
      throw new FleetError("crl-invalid", `the issuer's name makes ${head.length} octets of a list's head`);
    }
    this.#reserve(tail.length);
    this.#buffer.set(tail, this.#length);
    let start = room;
    for (const part of [listHeader, head, outer]) {
      start -= part.length;
      this.#buffer.set(part, start);
    }
    return this.#buffer.subarray(start, this.#length + tail.length);
  }

  /** Appends an entry. Throws `crl-invalid` for a serial that is none. */
  add(entry: CrlEntryFields): void {
    const { serial } = entry;
    const extensions = entry.invalidityDate === undefined ? reasonBytes(entry.reason) : withDate(entry);
    this.#reserve(4 + longestSerial + longestTime + extensions.length);
    const start = this.#length;
    const buffer = this.#buffer;
    let at = start + 4;
    if (typeof serial === "string") at = this.#putHex(at, serial);
    else {
      buffer.set(serial.bytes, at);
      at += serial.bytes.length;
    }
    buffer[start] = tags.sequence;
    buffer[start + 2] = tags.integer;
    buffer[start + 3] = at - start - 4;
    const timeEnd = this.#addTime(at, entry.revokedAt);
    buffer.set(extensions, timeEnd);
    this.#length = timeEnd + extensions.length;
    // Serial, time and extensions stay below 128 bytes together, so the length is one octet.
    buffer[start + 1] = this.#length - start - 2;
    this.#count += 1;
  }

  /** Puts the INTEGER content of a serial in hex. */
  #putHex(start: number, hex: SerialHex): number {
    const isWhole = hex.length >= 2 && hex.length % 2 === 0 && hex.length < 2 * longestSerial;
    const first = isWhole ? hexOctet(hex, 0) : 0;
    if (first === 0) throw new FleetError("crl-invalid", `"${hex}" is no serial number`);
    let at = start;
    // X.690 §8.3.2: an octet of zero in front where the first bit would say "negative", and nowhere else.
    if (first >= 0x80) this.#buffer[at++] = 0;
    for (let digit = 0; digit < hex.length; digit += 2) this.#buffer[at++] = hexOctet(hex, digit);
    return at;
  }

  /** Revocations come many a day: the date's digits are worked out once for all of them. */
  #addTime(at: number, instant: Instant): number {
    const sinceMidnight = instant - this.#day;
    if (!(sinceMidnight >= 0 && sinceMidnight < dayLength)) {
      this.#day = Math.floor(instant / dayLength) * dayLength;
      const end = writeTime(this.#time, 0, instant);
      this.#date = this.#time.subarray(0, end - timeOfDayOctets);
    }
    this.#buffer.set(this.#date, at);
    return writeTimeOfDay(this.#buffer, at + this.#date.length, Math.floor((instant - this.#day) / 1000));
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(this.#buffer.length * 2, this.#length + count));
    larger.set(this.#buffer);
    this.#buffer = larger;
  }
}

const reasonBytes = (reason: ReasonCode = "unspecified"): Uint8Array => encodedReasons[reason];

function hexOctet(hex: string, at: number): number {
  return hexDigit(hex, at) * 16 + hexDigit(hex, at + 1);
}

function hexDigit(hex: string, at: number): number {
  const code = hex.charCodeAt(at);
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x61 && code <= 0x66) return code - 0x61 + 10;
  throw new FleetError("crl-invalid", `"${hex}" is no serial number`);
}

function withDate({ reason = "unspecified", invalidityDate = 0 }: CrlEntryFields): Uint8Array {
  return derSequence(
    ...reasonExtension(reason),
    encodeExtension(extensionOids.invalidityDate, { critical: false, value: derGeneralizedTime(invalidityDate) }),
  );
}

function reasonExtension(reason: ReasonCode): Uint8Array[] {
  if (reason === "unspecified") return [];
  const value = derElement(tags.enumerated, Uint8Array.of(reasonCodeNumbers[reason]));
  return [encodeExtension(extensionOids.reasonCode, { critical: false, value })];
}

/** The whole crlEntryExtensions of an entry that gives only a reason; empty for `unspecified`. */
export const encodedReasons = Object.fromEntries(
  (Object.keys(reasonCodeNumbers) as ReasonCode[]).map((reason) => {
    const extension = reasonExtension(reason);
    return [reason, extension.length === 0 ? new Uint8Array(0) : derSequence(...extension)];
  }),
) as Readonly<Record<ReasonCode, Uint8Array>>;

/** GeneralizedTime with its header. */
const longestTime = 17;

/** A zero octet and 20 more. */
const longestSerial = 21;

/** Octets kept free in front of the entries for what {@link CrlEntryBuffer.enclose} puts there: the head with the issuer's name. */
const room = 4096;

/** `HHMMSSZ`. */
const timeOfDayOctets = 7;

const dayLength = 86_400_000;

/** An entry with a serial of 20 octets and a reason takes 53. */
const usualEntry = 56;
