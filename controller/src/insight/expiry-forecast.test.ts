import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expiryForecast } from "./expiry-forecast.ts";

const day = 86_400_000;
const now = 1_700_000_000_000;

describe("expiry forecast", () => {
  it("counts certificates by the time they have left", () => {
    const left = [-1, 0, day, day + 1, 7 * day, 30 * day, 31 * day, 90 * day, 90 * day + 1];
    const spans = expiryForecast(
      left.map((span) => now + span),
      now,
    );
    expect(spans.map(({ label, count }) => [label, count])).toEqual([
      ["expired", 1],
      ["1d", 2],
      ["7d", 2],
      ["30d", 1],
      ["60d", 1],
      ["90d", 1],
      ["later", 1],
    ]);
  });

  it("counts every certificate once", () => {
    fc.assert(
      fc.property(fc.array(fc.maxSafeInteger()), (notAfters) => {
        const counted = expiryForecast(notAfters, now).reduce((sum, { count }) => sum + count, 0);
        expect(counted).toBe(notAfters.length);
      }),
    );
  });
});
