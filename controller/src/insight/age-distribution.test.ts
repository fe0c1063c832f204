import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AgeCounter } from "../records.ts";
import { ageBuckets, ageDistribution, ageDistributionsBy } from "./age-distribution.ts";

const hour = 3_600_000;
const day = 24 * hour;
const nowHour = 500_000;
const now = nowHour * hour + 30 * 60_000;

const counter = (hoursAgo: number, count: number, some: Partial<AgeCounter> = {}): AgeCounter => ({
  hour: nowHour - hoursAgo,
  site: "plant-1",
  profile: "device",
  issuer: "issuer-1",
  count,
  ...some,
});

describe("age distribution", () => {
  it("puts certificates into buckets by the middle of their hour", () => {
    const ages = [0, 2, 12, 48, 20 * 24, 45 * 24, 80 * 24, 91 * 24].map((hours, index) => counter(hours, index + 1));
    const distribution = ageDistribution(ages, now);
    expect(distribution.buckets.map(({ label, count }) => [label, count])).toEqual([
      ["0-1h", 1],
      ["1-6h", 2],
      ["6-24h", 3],
      ["1-7d", 4],
      ["7-30d", 5],
      ["30-60d", 6],
      ["60-90d", 7],
      [">90d", 8],
    ]);
    expect(distribution.count).toBe(36);
  });

  it("keeps what was issued minutes ago in the first bucket, also across the turn of an hour", () => {
    const justAfter = nowHour * hour + 60_000;
    const { buckets } = ageDistribution([counter(1, 20), counter(0, 5)], justAfter);
    expect(buckets[0]?.count).toBe(25);
  });

  it("gives the ages that half, 95 % and all do not exceed", () => {
    const { p50, p95, max } = ageDistribution([counter(1, 50), counter(10, 45), counter(100, 5)], now);
    expect([p50, p95, max]).toEqual([1 * hour, 10 * hour, 100 * hour]);
  });

  it("has zeros for a fleet without certificates, and age 0 for hours in the future", () => {
    expect(ageDistribution([], now)).toMatchObject({ count: 0, p50: 0, p95: 0, max: 0 });
    expect(ageDistribution([counter(-5, 2)], now)).toMatchObject({ count: 2, p50: 0, max: 0 });
  });

  it("groups by site, profile or issuer in the order of names", () => {
    const counters = [
      counter(1, 2, { site: "b", profile: "p" }),
      counter(2, 3, { site: "a" }),
      counter(9, 4, { site: "b" }),
    ];
    const groups = (by: "site" | "profile" | "issuer") =>
      ageDistributionsBy(by, counters, now).map(({ group, count }) => [group, count]);
    expect(groups("site")).toEqual([
      ["a", 3],
      ["b", 6],
    ]);
    expect(groups("profile")).toEqual([
      ["device", 7],
      ["p", 2],
    ]);
    expect(groups("issuer")).toEqual([["issuer-1", 9]]);
  });

  it("has buckets without gap or overlap", () => {
    expect(ageBuckets[0]?.from).toBe(0);
    expect(ageBuckets.at(-1)?.to).toBeUndefined();
    for (const [index, bucket] of ageBuckets.entries()) expect(bucket.from).toBe(ageBuckets[index - 1]?.to ?? 0);
  });

  it("counts every certificate once and is never off by more than half an hour", () => {
    const issued = fc.array(fc.integer({ min: 0, max: 100 * day }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(issued, fc.nat(hour), (exact, offset) => {
        const at = nowHour * hour + offset;
        const counters = exact.map((age) => counter(nowHour - Math.floor((at - age) / hour), 1));
        const distribution = ageDistribution(counters, at);
        const sorted = exact.toSorted((a, b) => a - b);
        expect(distribution.buckets.reduce((sum, { count }) => sum + count, 0)).toBe(exact.length);
        expect(Math.abs(distribution.max - (sorted.at(-1) ?? 0))).toBeLessThanOrEqual(hour / 2 + 1);
        const half = sorted[Math.ceil(sorted.length / 2) - 1] ?? 0;
        expect(Math.abs(distribution.p50 - half)).toBeLessThanOrEqual(hour / 2 + 1);
        expect(distribution.p50).toBeLessThanOrEqual(distribution.p95);
        expect(distribution.p95).toBeLessThanOrEqual(distribution.max);
      }),
    );
  });
});
