import { equalBytes } from "../asn1/der-writer.ts";
import { fromHex, toHex } from "../asn1/hex.ts";
import { FleetError } from "../errors.ts";

/** Lower-case hex of a serial number's magnitude: two digits an octet, no separators, no sign octet. */
export type SerialHex = string;

/**
 * A certificate serial number: positive, 1 to 20 octets (RFC 5280 §4.1.2.2).
 *
 * Serials this product makes are 20 octets: tag 0x01 ‖ shard (2) ‖ index (4) ‖ random (13), DESIGN.md section 4.
 */
export class Serial {
  /** Content octets of the INTEGER, minimal. */
  readonly bytes: Uint8Array;

  /** Use {@link Serial.of}, {@link Serial.parse} or {@link Serial.make}. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** From INTEGER content octets; throws `certificate-invalid` when they are not minimal, not positive or too many. */
  static of(bytes: Uint8Array): Serial {
    Serial.check(bytes, 0, bytes.length);
    return new Serial(bytes);
  }

  /** As {@link Serial.of} for octets inside a larger buffer, without making an object. */
  static check(bytes: Uint8Array, start: number, length: number): void {
    const first = bytes[start];
    if (length === 0 || first === undefined || length > (first === 0 ? 21 : 20))
      throw invalid(`a serial number has ${length} octets`);
    if (first >= 0x80) throw invalid("a serial number is negative");
    if (first === 0 && (length === 1 || (bytes[start + 1] as number) < 0x80))
      throw invalid("a serial number is zero or not minimal");
  }

  /** Index of a serial of our own layout inside a larger buffer; undefined for a foreign one or another shard's. */
  static indexIn(
    bytes: Uint8Array,
    start: number,
    { length, shard }: { length: number; shard: number },
  ): number | undefined {
    if (length !== ownLength || bytes[start] !== ownTag) return undefined;
    const octet = (at: number): number => bytes[start + at] as number;
    if (octet(1) * 256 + octet(2) !== shard) return undefined;
    return ((octet(3) * 256 + octet(4)) * 256 + octet(5)) * 256 + octet(6);
  }

  /** From hex as people write it: any case, optional colons; leading zeros are adjusted. Throws `request-invalid`. */
  static parse(hex: string): Serial {
    const digits = hex.replaceAll(":", "").toLowerCase();
    if (!/^[0-9a-f]{1,60}$/.test(digits))
      throw new FleetError("request-invalid", `"${hex.slice(0, 60)}" is no serial number`);
    const magnitude = digits.replace(/^0+/, "");
    const even = magnitude.length % 2 === 0 ? magnitude : `0${magnitude}`;
    if (even === "" || even.length > 40) throw new FleetError("request-invalid", `"${hex}" is no serial number`);
    return new Serial(fromHex(/^[89a-f]/.test(even) ? `00${even}` : even));
  }

  /** A serial of the product's own layout; `random13` must be 13 bytes of a CSPRNG. */
  static make(parts: { readonly shard: number; readonly index: number; readonly random13: Uint8Array }): Serial {
    const { shard, index, random13 } = parts;
    const inRange = (value: number, bits: number): boolean =>
      Number.isInteger(value) && value >= 0 && value < 2 ** bits;
    if (!inRange(shard, 16) || !inRange(index, 32) || random13.length !== 13)
      throw new FleetError(
        "internal",
        `serial parts out of range: shard ${shard}, index ${index}, ${random13.length} random bytes`,
      );
    const bytes = new Uint8Array(ownLength);
    const view = new DataView(bytes.buffer);
    view.setUint8(0, ownTag);
    view.setUint16(1, shard);
    view.setUint32(3, index);
    bytes.set(random13, 7);
    return new Serial(bytes);
  }

  get hex(): SerialHex {
    return toHex(this.bytes[0] === 0 ? this.bytes.subarray(1) : this.bytes);
  }

  /** Shard of a serial of our own layout, undefined for a foreign one. */
  get shard(): number | undefined {
    return this.#isOwn ? ((this.bytes[1] as number) << 8) | (this.bytes[2] as number) : undefined;
  }

  /** Index within the shard of a serial of our own layout, undefined for a foreign one. */
  get index(): number | undefined {
    return this.#isOwn ? new DataView(this.bytes.buffer, this.bytes.byteOffset).getUint32(3) : undefined;
  }

  equals(other: Serial): boolean {
    return equalBytes(this.bytes, other.bytes);
  }

  toString(): SerialHex {
    return this.hex;
  }

  toJSON(): SerialHex {
    return this.hex;
  }

  get #isOwn(): boolean {
    return this.bytes.length === ownLength && this.bytes[0] === ownTag;
  }
}

const invalid = (message: string): FleetError => new FleetError("certificate-invalid", message);

const ownTag = 0x01;
const ownLength = 20;
