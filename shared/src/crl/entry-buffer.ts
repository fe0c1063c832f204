import { tags } from "../asn1/der-reader.ts";
import { derGeneralizedTime, derTime } from "../asn1/der-time.ts";
import { derElement, derSequence } from "../asn1/der-writer.ts";
import { encodeExtension, extensionOids } from "../certificate/extension.ts";
import { FleetError } from "../errors.ts";
import type { Instant } from "../time/instant.ts";
import type { CrlEntryTemplate } from "./encode-crl.ts";
import { type ReasonCode, reasonCodeNumbers } from "./reason-code.ts";

/** The revokedCertificates of a list under construction: entries are appended to one buffer that doubles when full. */
export class EntryBuffer {
  #buffer = new Uint8Array(initialBytes);
  #length = 0;
  #revokedAt: Instant | undefined;
  #time: Uint8Array = new Uint8Array(0);

  get length(): number {
    return this.#length;
  }

  /** The entries so far; a view that the next {@link add} may leave behind. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  add(entry: CrlEntryTemplate): void {
    const serial = entry.serial.bytes;
    const time = this.#timeOf(entry.revokedAt);
    const extensions =
      entry.invalidityDate === undefined ? encodedReasons[entry.reason ?? "unspecified"] : withDate(entry);
    const length = 2 + serial.length + time.length + extensions.length;
    if (serial.length > 21 || length >= 0x80) throw new FleetError("crl-invalid", "a list entry is too long");
    this.#reserve(length + 2);

    const buffer = this.#buffer;
    let at = this.#length;
    buffer[at++] = tags.sequence;
    buffer[at++] = length;
    buffer[at++] = tags.integer;
    buffer[at++] = serial.length;
    at = copy(serial, buffer, at);
    at = copy(time, buffer, at);
    this.#length = copy(extensions, buffer, at);
  }

  /** Lists have long runs of the same instant (mass revocation) and of the same second. */
  #timeOf(revokedAt: Instant): Uint8Array {
    const second = Math.floor(revokedAt / 1000);
    if (this.#revokedAt !== second) {
      this.#time = derTime(second * 1000);
      this.#revokedAt = second;
    }
    return this.#time;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#buffer.length) return;
    const larger = new Uint8Array(this.#buffer.length * 2);
    larger.set(this.#buffer);
    this.#buffer = larger;
  }
}

/** A loop beats `set` for runs this short. */
function copy(source: Uint8Array, target: Uint8Array, start: number): number {
  for (let index = 0; index < source.length; index++) target[start + index] = source[index] as number;
  return start + source.length;
}

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

const initialBytes = 4096;
