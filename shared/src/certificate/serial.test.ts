import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex } from "../asn1/hex.ts";
import { Serial } from "./serial.ts";

describe("serial numbers", () => {
  it("of our own layout give shard and index back", () => {
    fc.assert(
      fc.property(
        fc.nat(0xffff),
        fc.nat(0xffffffff),
        fc.uint8Array({ minLength: 13, maxLength: 13 }),
        (shard, index, random13) => {
          const serial = Serial.of(Serial.make({ shard, index, random13 }).bytes);
          expect([serial.shard, serial.index]).toEqual([shard, index]);
          const within = Uint8Array.of(1, 1, ...serial.bytes, 9);
          expect(Serial.indexIn(within, 2, { length: 20, shard })).toBe(index);
          expect(Serial.indexIn(within, 2, { length: 20, shard: shard ^ 1 })).toBeUndefined();
          expect(Serial.indexIn(within, 2, { length: 19, shard })).toBeUndefined();
          expect(serial.bytes.subarray(7)).toEqual(random13);
          expect(Serial.parse(serial.hex).equals(serial)).toBe(true);
        },
      ),
    );
  });

  it("of others have neither shard nor index", () => {
    expect(Serial.parse("02".repeat(20)).shard).toBeUndefined();
    expect(Serial.parse("01ff").index).toBeUndefined();
  });

  it("are read as people write them", () => {
    expect(Serial.parse("00:0A:FF").hex).toBe("0aff");
    expect(Serial.parse("aff").hex).toBe("0aff");
    // The sign octet that DER needs is no part of the text.
    expect([...Serial.parse("ff").bytes]).toEqual([0, 0xff]);
    expect(Serial.of(Uint8Array.of(0, 0xff)).hex).toBe("ff");
  });

  it.each(["", "0", "00:00", "xyz", "0102 03", "01".repeat(21), `${"01".repeat(20)}:00`])(
    "refuse the text %j",
    (text) => {
      expect(() => Serial.parse(text)).toThrow(expect.objectContaining({ code: "request-invalid" }));
    },
  );

  it.each(["", "00", "80", "0001", `00${"ff".repeat(21)}`, "01".repeat(21)])("refuse the octets %s", (hex) => {
    expect(() => Serial.of(fromHex(hex))).toThrow(expect.objectContaining({ code: "certificate-invalid" }));
  });

  it("refuse parts that do not fit the layout", () => {
    const random13 = new Uint8Array(13);
    expect(() => Serial.make({ shard: 65_536, index: 0, random13 })).toThrow("out of range");
    expect(() => Serial.make({ shard: 0, index: -1, random13 })).toThrow("out of range");
    expect(() => Serial.make({ shard: 0, index: 0, random13: new Uint8Array(12) })).toThrow("out of range");
  });
});
