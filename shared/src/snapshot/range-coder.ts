import { FleetError } from "../errors.ts";
import type { BitModel } from "./bit-model.ts";

/**
 * Writes binary decisions as one number within ever smaller ranges (carry-propagating range coder, 32 bits, 12-bit
 * probabilities). The first octet, always 0, and zeros at the end are left out; the reader supplies them.
 */
export class RangeEncoder {
  #low = 0;
  #range = 0xffff_ffff;
  #pending = 0;
  #cache = 0;
  #isFirst = true;
  readonly #out: number[] = [];

  bit(model: BitModel, context: number, bit: 0 | 1): void {
    this.#split(model.zero(context), bit);
    model.learn(context, bit);
  }

  /** The lowest `count` bits of a value, highest first, each as likely as not. */
  plain(value: number, count: number): void {
    for (let shift = count - 1; shift >= 0; shift -= 1) this.#split(2048, ((value >>> shift) & 1) as 0 | 1);
  }

  /** The octets written; nothing may follow. */
  finish(): Uint8Array {
    for (let flushed = 0; flushed < 5; flushed += 1) this.#shift();
    let length = this.#out.length;
    while (length > 0 && this.#out[length - 1] === 0) length -= 1;
    return Uint8Array.from(this.#out.slice(0, length));
  }

  #split(zero: number, bit: 0 | 1): void {
    const bound = (this.#range >>> 12) * zero;
    if (bit === 0) this.#range = bound;
    else {
      this.#low += bound;
      this.#range -= bound;
    }
    while (this.#range < 0x0100_0000) {
      this.#range = (this.#range << 8) >>> 0;
      this.#shift();
    }
  }

  #shift(): void {
    const carry = this.#low >= 0x1_0000_0000 ? 1 : 0;
    if (carry === 1 || this.#low < 0xff00_0000) {
      if (this.#isFirst) this.#isFirst = false;
      else this.#out.push((this.#cache + carry) & 0xff);
      for (; this.#pending > 0; this.#pending -= 1) this.#out.push((0xff + carry) & 0xff);
      this.#cache = Math.floor(this.#low / 0x0100_0000) & 0xff;
    } else this.#pending += 1;
    this.#low = (this.#low % 0x0100_0000) * 256;
  }
}

/** Reads what {@link RangeEncoder} has written. Past the end there are zeros; the caller bounds how much it reads. */
export class RangeDecoder {
  readonly #bytes: Uint8Array;
  #at = 0;
  #range = 0xffff_ffff;
  #code = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    for (let read = 0; read < 4; read += 1) this.#code = ((this.#code << 8) | this.#next()) >>> 0;
  }

  bit(model: BitModel, context: number): 0 | 1 {
    const bit = this.#split(model.zero(context));
    model.learn(context, bit);
    return bit;
  }

  plain(count: number): number {
    let value = 0;
    for (let read = 0; read < count; read += 1) value = value * 2 + this.#split(2048);
    return value;
  }

  /** Throws unless every octet was needed: what is left over was not written by the encoder. */
  finish(): void {
    if (this.#at < this.#bytes.length) throw new FleetError("revocation-invalid", "the snapshot has octets left over");
  }

  #split(zero: number): 0 | 1 {
    const bound = (this.#range >>> 12) * zero;
    const bit = this.#code < bound ? 0 : 1;
    if (bit === 0) this.#range = bound;
    else {
      this.#code -= bound;
      this.#range -= bound;
    }
    while (this.#range < 0x0100_0000) {
      this.#range = (this.#range << 8) >>> 0;
      this.#code = ((this.#code << 8) | this.#next()) >>> 0;
    }
    return bit;
  }

  #next(): number {
    const octet = this.#bytes[this.#at] ?? 0;
    this.#at += 1;
    return octet;
  }
}
