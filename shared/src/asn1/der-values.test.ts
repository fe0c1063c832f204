import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DerReader } from "./der-reader.ts";
import {
  readBigInteger,
  readBitString,
  readBoolean,
  readBooleanDefaultFalse,
  readNamedBits,
  readNull,
  readSmallInteger,
} from "./der-values.ts";
import { derBoolean, derInteger, derNamedBits, derSetOf, derUnsigned } from "./der-writer.ts";

const reader = (...octets: number[]): DerReader => new DerReader(Uint8Array.from(octets));

describe("DER values", () => {
  it("refuses values that are written in another way than the one DER allows", () => {
    const invalid = expect.objectContaining({ code: "der-invalid" });
    expect(() => readBoolean(reader(1, 1, 1))).toThrow(invalid);
    expect(() => readBooleanDefaultFalse(reader(1, 1, 0))).toThrow(invalid);
    expect(() => readSmallInteger(reader(2, 2, 0, 5))).toThrow(invalid);
    expect(() => readSmallInteger(reader(2, 1, 0xff))).toThrow(invalid);
    expect(() => readBigInteger(reader(2, 2, 0xff, 0x80))).toThrow(invalid);
    expect(() => readBigInteger(reader(2, 0))).toThrow(invalid);
    expect(() => readBitString(reader(3, 2, 1, 1))).toThrow(invalid);
    expect(() => readBitString(reader(3, 1, 3))).toThrow(invalid);
    expect(() => readBitString(reader(3, 0))).toThrow(invalid);
    expect(() => readNamedBits(reader(3, 2, 0, 0xa0))).toThrow(invalid);
    expect(() => readNull(reader(5, 1, 0))).toThrow(invalid);
  });

  it("reads booleans", () => {
    expect(readBoolean(new DerReader(derBoolean(true)))).toBe(true);
    expect(readBoolean(new DerReader(derBoolean(false)))).toBe(false);
    expect(readBooleanDefaultFalse(reader())).toBe(false);
  });

  it("reads back every number it writes", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 159n - 1n), (number) => {
        expect(readBigInteger(new DerReader(derInteger(number)))).toBe(number);
      }),
    );
    fc.assert(
      fc.property(fc.nat(2 ** 31 - 1), (number) => {
        expect(readSmallInteger(new DerReader(derInteger(number)))).toBe(number);
      }),
    );
  });

  it("writes numbers given as octets with neither leading zeros nor a false sign", () => {
    expect([...derUnsigned(Uint8Array.of(0, 0, 0x80))]).toEqual([2, 2, 0, 0x80]);
    expect([...derUnsigned(Uint8Array.of(0, 0))]).toEqual([2, 1, 0]);
    expect([...derUnsigned(Uint8Array.of(0x7f))]).toEqual([2, 1, 0x7f]);
  });

  it("reads back every set of named bits it writes", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(15)), (bits) => {
        expect([...readNamedBits(new DerReader(derNamedBits(bits)))]).toEqual(bits.toSorted((a, b) => a - b));
      }),
    );
  });

  it("orders the members of a set by their bytes", () => {
    const set = derSetOf([Uint8Array.of(4, 1, 9), Uint8Array.of(2, 1, 1), Uint8Array.of(4, 1, 3)]);
    expect([...set]).toEqual([0x31, 9, 2, 1, 1, 4, 1, 3, 4, 1, 9]);
  });
});
