import type { Duration, Instant } from "@fleetcert/shared";
import type { AgeCounter } from "../records.ts";

/** A range of age: `from` inclusive, `to` exclusive and undefined for the last. */
export interface AgeBucket {
  readonly label: string;
  readonly from: Duration;
  readonly to: Duration | undefined;
}

/** How old the certificates of a group are. */
export interface AgeDistribution {
  /** Site, profile or issuer; empty for all. */
  readonly group: string;
  readonly count: number;
  readonly buckets: readonly (AgeBucket & { readonly count: number })[];
  /** Age that half of them do not exceed (nearest rank); 0 for an empty group, as are the next two. */
  readonly p50: Duration;
  readonly p95: Duration;
  readonly max: Duration;
}

/**
 * The distribution of certificate age, for all together.
 *
 * Counters know the hour of issuance, so an age is that of the middle of its hour (for the present hour, of its part that
 * has passed) and off by at most 30 minutes. Hours in the future, from a clock that was put back, have age 0.
 */
export function ageDistribution(counters: readonly AgeCounter[], now: Instant): AgeDistribution {
  return distributionOf("", counters, now);
}

/** The distribution of each site, profile or issuer, in the order of their names. */
export function ageDistributionsBy(
  by: "site" | "profile" | "issuer",
  counters: readonly AgeCounter[],
  now: Instant,
): AgeDistribution[] {
  const groups = Map.groupBy(counters, (counter) => counter[by]);
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([group, members]) => distributionOf(group, members, now));
}

const hour = 3_600_000;
const day = 24 * hour;

/** The buckets of every age histogram. */
export const ageBuckets: readonly AgeBucket[] = [
  { label: "0-1h", from: 0, to: hour },
  { label: "1-6h", from: hour, to: 6 * hour },
  { label: "6-24h", from: 6 * hour, to: day },
  { label: "1-7d", from: day, to: 7 * day },
  { label: "7-30d", from: 7 * day, to: 30 * day },
  { label: "30-60d", from: 30 * day, to: 60 * day },
  { label: "60-90d", from: 60 * day, to: 90 * day },
  { label: ">90d", from: 90 * day, to: undefined },
];

interface AgedCount {
  readonly age: Duration;
  readonly count: number;
}

function distributionOf(group: string, counters: readonly AgeCounter[], now: Instant): AgeDistribution {
  const ages = counters
    .map((counter) => ({ age: ageOf(counter, now), count: counter.count }))
    .sort((a, b) => a.age - b.age);
  const count = ages.reduce((sum, one) => sum + one.count, 0);
  return {
    group,
    count,
    buckets: ageBuckets.map((bucket) => ({ ...bucket, count: countWithin(ages, bucket) })),
    p50: ageAtRank(ages, Math.ceil(count * 0.5)),
    p95: ageAtRank(ages, Math.ceil(count * 0.95)),
    max: ages.at(-1)?.age ?? 0,
  };
}

function ageOf(counter: AgeCounter, now: Instant): Duration {
  const oldest = Math.max(0, now - counter.hour * hour);
  const youngest = Math.max(0, oldest - hour);
  return Math.round((oldest + youngest) / 2);
}

function countWithin(ages: readonly AgedCount[], { from, to = Number.POSITIVE_INFINITY }: AgeBucket): number {
  return ages.reduce((sum, { age, count }) => (age >= from && age < to ? sum + count : sum), 0);
}

function ageAtRank(ages: readonly AgedCount[], rank: number): Duration {
  let passed = 0;
  for (const { age, count } of ages) {
    passed += count;
    if (passed >= rank) return age;
  }
  return 0;
}
