import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DerReader } from "./der-reader.ts";
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

  it.each([
    ["nothing", []],
    ["an arc with a leading zero group", [0x2a, 0x80, 0x01]],
    ["an arc that is cut off", [0x2a, 0x86]],
    ["more than 64 octets", new Array<number>(65).fill(1)],
  ])("refuse %s", (_, octets) => {
    expect(() => decodeOid(Uint8Array.from(octets))).toThrow(expect.objectContaining({ code: "der-invalid" }));
  });
});
