import { tags } from "../asn1/der-reader.ts";
import { derGeneralizedTime, writeTime, writeTimeOfDay } from "../asn1/der-time.ts";
import { derElement, derHeader, derSequence } from "../asn1/der-writer.ts";
import { encodeExtension, extensionOids } from "../certificate/extension.ts";
import { FleetError } from "../errors.ts";
import type { Instant } from "../time/instant.ts";
import type { CrlEntryTemplate } from "./encode-crl.ts";
import { type ReasonCode, reasonCodeNumbers } from "./reason-code.ts";

/** The revokedCertificates of a list under construction: entries are appended to one buffer that doubles when full. */
export class EntryBuffer {
  #buffer: Uint8Array;
  readonly #room: number;
  #length: number;
  /** Start of the day whose date is in {@link #date}. */
  #day: Instant = Number.NaN;
  readonly #time = new Uint8Array(longestTime);
  #date: Uint8Array = this.#time;

  /**
   * `room`: octets kept free in front of the entries for what {@link enclose} puts there; `expected`: how many entries
   * will come, when that is known.
   */
  constructor({ room, expected = 64 }: { readonly room: number; readonly expected?: number | undefined }) {
    this.#buffer = new Uint8Array(room + expected * usualEntry);
    this.#room = room;
    this.#length = room;
  }

  /**
   * SEQUENCE of `head`, the list of entries when there is one (RFC 5280 §5.1.2.6), and `tail`: made around the entries
   * where they lie, because copying a long list costs as much as hashing it. Ends the use of this buffer.
   */
  enclose(head: Uint8Array, tail: Uint8Array): Uint8Array {
    const count = this.#length - this.#room;
    const listHeader = count === 0 ? new Uint8Array(0) : derHeader(tags.sequence, count);
    const outer = derHeader(tags.sequence, head.length + listHeader.length + count + tail.length);
    this.#reserve(tail.length);
    this.#buffer.set(tail, this.#length);
    let start = this.#room;
    for (const part of [listHeader, head, outer]) {
      start -= part.length;
      this.#buffer.set(part, start);
    }
    return this.#buffer.subarray(start, this.#length + tail.length);
  }

  add(entry: CrlEntryTemplate): void {
    const serial = entry.serial.bytes;
    const extensions = entry.invalidityDate === undefined ? reasonBytes(entry.reason) : withDate(entry);
    if (serial.length > 21 || extensions.length > 64) throw new FleetError("crl-invalid", "a list entry is too long");
    this.#reserve(4 + serial.length + longestTime + extensions.length);

    const buffer = this.#buffer;
    const start = this.#length;
    buffer[start] = tags.sequence;
    buffer[start + 2] = tags.integer;
    buffer[start + 3] = serial.length;
    buffer.set(serial, start + 4);
    const timeEnd = this.#addTime(start + 4 + serial.length, entry.revokedAt);
    buffer.set(extensions, timeEnd);
    this.#length = timeEnd + extensions.length;
    // The parts above stay below 128 bytes together, so the length is one octet.
    buffer[start + 1] = this.#length - start - 2;
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

function withDate({ reason = "unspecified", invalidityDate = 0 }: CrlEntryTemplate): Uint8Array {
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

/** `HHMMSSZ`. */
const timeOfDayOctets = 7;

const dayLength = 86_400_000;

/** An entry with a serial of 20 octets and a reason takes 53. */
const usualEntry = 56;
