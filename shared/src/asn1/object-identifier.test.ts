import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DerReader, tags } from "./der-reader.ts";
import { derElement } from "./der-writer.ts";
import { toHex } from "./hex.ts";
import { decodeOid, encodeOid, readOid } from "./object-identifier.ts";

describe("object identifiers", () => {
  it("have the bytes the standards print", () => {
    expect(toHex(encodeOid("1.2.840.10045.4.3.2"))).toBe("06082a8648ce3d040302");
    expect(toHex(encodeOid("2.5.29.15"))).toBe("0603551d0f");
    expect(toHex(encodeOid("2.999.3"))).toBe("0603883703");
  });

  it("read back as they were written, arcs of 128 bits too", () => {
    const arcs = fc.array(fc.bigInt(0n, 2n ** 128n), { maxLength: 2 });
    const roots = fc.oneof(
      fc.tuple(fc.constantFrom(0n, 1n), fc.bigInt(0n, 39n)),
      fc.tuple(fc.constant(2n), fc.bigInt(0n, 2n ** 64n)),
    );
    fc.assert(
      fc.property(roots, arcs, (root, rest) => {
        const oid = [...root, ...rest].join(".");
        expect(readOid(new DerReader(encodeOid(oid)))).toBe(oid);
      }),
    );
  });

  it("read the same again, also from inside other bytes and after more others than are remembered", () => {
    const contents = Array.from({ length: 400 }, (_, index) => Uint8Array.of(0x2a, 0x81 + (index >> 7), index & 0x7f));
    const element = (content: Uint8Array) => derElement(tags.oid, content);
    for (const content of [...contents, ...contents, ...contents.toReversed()]) {
      const padded = Buffer.concat([Buffer.of(5, 0), element(content), Buffer.of(5, 0)]);
      expect(readOid(new DerReader(padded, { start: 2 }))).toBe(decodeOid(content));
    }
  });

  it("do not take one for another whose octets hash alike", () => {
    // 31 · 2 + 0 = 31 · 1 + 31: the same hash for different octets.
    expect(readOid(new DerReader(derElement(tags.oid, Uint8Array.of(0x2a, 2, 0))))).toBe("1.2.2.0");
    expect(readOid(new DerReader(derElement(tags.oid, Uint8Array.of(0x2a, 1, 31))))).toBe("1.2.1.31");
  });

  it.each([
    ["nothing", []],
    ["an arc with a leading zero group", [0x2a, 0x80, 0x01]],
    ["an arc that is cut off", [0x2a, 0x86]],
    ["more than 64 octets", new Array<number>(65).fill(1)],
  ])("refuse %s", (_, octets) => {
    expect(() => decodeOid(Uint8Array.from(octets))).toThrow(expect.objectContaining({ code: "der-invalid" }));
  });
});
