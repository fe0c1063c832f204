import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crlPartBytes, joinParts, partCount, splitParts } from "./parts.ts";

describe("parts", () => {
  it("join to what was split, whatever the length", () => {
    const lengths = fc.oneof(
      fc.nat(300),
      fc.integer({ min: -2, max: 2 }).map((off) => 3 * crlPartBytes + off),
    );
    fc.assert(
      fc.property(lengths, (length) => {
        const bytes = Uint8Array.from({ length }, (_, index) => index % 251);
        const parts = splitParts(bytes);
        expect(parts).toHaveLength(partCount(length));
        expect(parts.every((part) => part.length > 0 && part.length <= crlPartBytes)).toBe(true);
        expect(Buffer.compare(joinParts(parts, length), bytes)).toBe(0);
      }),
      { numRuns: 30 },
    );
  });

  const length = 2 * crlPartBytes + 10;
  const parts = splitParts(new Uint8Array(length));
  it.each([
    ["one is missing", parts.slice(1), length],
    ["one is too many", [...parts, new Uint8Array(1)], length],
    ["the last is cut", parts.map((part, index) => (index === 2 ? part.subarray(1) : part)), length],
    ["one in the middle is cut", parts.map((part, index) => (index === 1 ? part.subarray(1) : part)), length],
    ["they stand in another order", [...parts].reverse(), length],
    ["the head says another length", parts, length + 1],
    ["the head says nothing is there", parts, 0],
  ])("do not join when %s", (_, given, said) => {
    expect(() => joinParts(given, said)).toThrow(expect.objectContaining({ code: "message-invalid" }));
  });
});
