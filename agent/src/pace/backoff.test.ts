import fc from "fast-check";
import { expect, it } from "vitest";
import { backoff } from "./backoff.ts";

it("a backoff is never negative, never above the cap, and at least what was asked for", () => {
  fc.assert(
    fc.property(
      fc.record({ base: fc.integer({ min: 1, max: 60_000 }), cap: fc.integer({ min: 1, max: 3_600_000 }) }),
      fc.nat(1_000_000),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.nat(86_400_000),
      (settings, attempts, jitter, retryAfter) => {
        const duration = backoff(settings, { attempts, jitter, retryAfter });
        expect(duration).toBeGreaterThanOrEqual(retryAfter);
        expect(duration).toBeLessThanOrEqual(retryAfter + settings.cap);
      },
    ),
  );
});

it("a backoff spreads over its whole range: full jitter", () => {
  const settings = { base: 1_000, cap: 60_000 };
  expect(backoff(settings, { attempts: 3, jitter: 0 })).toBe(0);
  expect(backoff(settings, { attempts: 3, jitter: 0.999 })).toBe(7_992);
});
