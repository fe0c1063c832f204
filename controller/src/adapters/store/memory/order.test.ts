import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareText, compositeKey, orderBy, pageOf } from "./order.ts";

describe("order of the memory store", () => {
  it("is that of UTF-8 octets", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
        expect(Math.sign(compareText(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
    );
    expect(compareText("\uffee", "\u{1f511}")).toBeLessThan(0);
  });

  it("takes the first field that differs, in either direction", () => {
    const rows = [
      { a: 1, b: "x" },
      { a: 2, b: "x" },
      { a: 2, b: "w" },
    ];
    expect([...rows].sort(orderBy<{ a: number; b: string }>("-a", "b"))).toEqual([rows[2], rows[1], rows[0]]);
  });

  it("tells keys apart whatever their parts contain", () => {
    const parts = fc.array(fc.oneof(fc.string(), fc.nat()), { minLength: 2, maxLength: 2 });
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        expect(compositeKey(...a) === compositeKey(...b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
    expect(compositeKey("a", 1)).not.toBe(compositeKey("a", "1"));
  });

  it("pages without losing or repeating a row", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 })), fc.integer({ min: 1, max: 4 }), (names, limit) => {
        const rows = [...names].sort(compareText);
        const seen: string[] = [];
        for (;;) {
          const page = pageOf(rows, (name) => name, { after: seen.at(-1) ?? "", limit });
          if (page.length === 0) break;
          seen.push(...page);
        }
        expect(seen).toEqual(rows);
      }),
    );
  });
});
