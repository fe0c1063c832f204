import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isFleetError } from "../errors.ts";
import type { FilterFacts } from "./filter.ts";
import { matchesFilter } from "./match-filter.ts";
import { parseFilter } from "./parse-filter.ts";

const day = 86_400_000;

const device: FilterFacts = {
  site: "plant 7",
  environment: "prod",
  generation: 3,
  age: 31 * day,
  notAfter: Date.UTC(2026, 10, 30),
  size: 5000,
  tags: ["line-1", "spare"],
  owner: undefined,
};

describe("a filter", () => {
  it.each([
    ['site = "plant 7"', true],
    ["site = plant", false],
    ["environment != prod", false],
    ["environment>deb&&environment<qa", true],
    ["generation = 3 && generation > 2 && generation < 4", true],
    ["generation = 3.5", false],
    ["age > 30d", true],
    ["age < 4w", false],
    ["age = 31d", true],
    ["notAfter < 2026-12-01", true],
    ["notAfter > 2026-11-30T00:00:00Z", false],
    ["notAfter = 2026-11-30", true],
    ["size > 4KiB && size < 5.1kB", true],
    ["tags = spare", true],
    ["tags = line", false],
    ["tags != line-2", true],
    ["tags > a", false],
    ["owner = x", false],
    ["owner != x", true],
    ["missing != x", true],
    ["toString = x", false],
    ["site > 30d", true],
    ["", true],
    ["   ", true],
  ])("%j matches: %s", (text, isMatch) => {
    expect(matchesFilter(parseFilter(text), device)).toBe(isMatch);
  });

  it.each([
    ["site", 5, "one of = != < > is missing"],
    ["site =", 7, "a value is missing"],
    ['site = "plant', 8, "its quote is not closed"],
    ["= 3", 1, "a field name is missing"],
    ["site = a &&", 12, "a field name is missing"],
    ["site = a || b = c", 10, "only && may follow"],
    ["site == a", 7, "a value is missing"],
    ["7x = a", 1, "a field name is missing"],
  ])("%j is refused at position %i: %s", (text, position, message) => {
    expect(() => parseFilter(text)).toThrow(`filter, position ${position}: `);
    expect(() => parseFilter(text)).toThrow(message);
    expect(() => parseFilter(text)).toThrow(expect.objectContaining({ code: "filter-invalid" }));
  });

  it("has a bound on its length and on its conditions", () => {
    expect(() => parseFilter(`a = ${"b".repeat(5000)}`)).toThrow("limit 4096");
    expect(() => parseFilter(new Array(100).fill("a=b").join("&&"))).toThrow("more than 64 conditions");
  });

  it("finds any text that is quoted", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (text) => {
        const quoted = `"${text.replace(/["\\]/g, "\\$&")}"`;
        expect(matchesFilter(parseFilter(`name = ${quoted}`), { name: text })).toBe(true);
        expect(matchesFilter(parseFilter(`name != ${quoted}`), { name: text })).toBe(false);
      }),
    );
  });

  it("gives a typed error or a filter for any text", () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'ab=<>!&" 1d-') }));
    fc.assert(
      fc.property(text, (input) => {
        try {
          expect(typeof matchesFilter(parseFilter(input), device)).toBe("boolean");
        } catch (error) {
          expect(isFleetError(error, "filter-invalid")).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });
});
