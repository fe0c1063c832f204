import fc from "fast-check";
import { expect, it } from "vitest";
import { SeededRandom } from "../../../test/support/seeded-random.ts";
import { knockAgainAfter } from "./knock-again.ts";

const settings = { base: 1_000, cap: 300_000 };

/** When each knock falls, from the first at 0 until after the door is open again. */
function knocks(outage: number, random: SeededRandom): number[] {
  const at = [0];
  for (let now = 0; now < outage; ) {
    now += knockAgainAfter(settings, { elapsed: now, jitter: random.fraction() });
    at.push(now);
  }
  return at;
}

it("who knocks is back within twice the outage and the first pause, or the cap after it, whatever was drawn", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3_600_000 }), fc.nat(2 ** 31), (outage, seed) => {
      const back = knocks(outage, new SeededRandom(seed)).at(-1) ?? 0;
      expect(back).toBeGreaterThanOrEqual(outage);
      expect(back).toBeLessThanOrEqual(outage + Math.min(settings.cap, outage + settings.base));
    }),
  );
});

it("a fleet of 2,000 knocks a few times each, spread, and its last one is not far behind the others", () => {
  const outage = 8_000;
  const fleet = Array.from({ length: 2_000 }, (_, seed) => knocks(outage, new SeededRandom(seed)));
  const tries = fleet.reduce((sum, { length }) => sum + length, 0) / fleet.length;
  expect(tries).toBeLessThan(15);
  const back = fleet.map((one) => (one.at(-1) ?? 0) - outage).sort((a, b) => a - b);
  expect(back.at(-1)).toBeLessThanOrEqual(outage + settings.base);
  // No second holds more than a third of them.
  for (let second = 0; second < 9; second += 1) {
    const within = back.filter((at) => at >= second * 1_000 && at < (second + 1) * 1_000).length;
    expect(within).toBeLessThan(fleet.length / 3);
  }
});
