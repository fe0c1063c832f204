import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ServiceCounts, serviceLevels } from "./service-levels.ts";

const counts = (some: Partial<ServiceCounts> = {}): ServiceCounts => ({
  validDevices: { good: 0, all: 0 },
  renewals: { good: 0, all: 0 },
  automatedRotations: { good: 0, all: 0 },
  closedIntents: { good: 0, all: 0 },
  propagation: [],
  unacknowledged: 0,
  ...some,
});

const level = (name: string, some: Partial<ServiceCounts>) =>
  serviceLevels(counts(some)).find((one) => one.name === name);

describe("service levels", () => {
  it("have no value and no verdict while nothing was counted", () => {
    for (const { value, met } of serviceLevels(counts())) expect([value, met]).toEqual([undefined, undefined]);
  });

  it("compare shares with their objectives", () => {
    expect(level("valid-share", { validDevices: { good: 9_999, all: 10_000 } })).toMatchObject({
      value: 0.9999,
      met: true,
    });
    expect(level("valid-share", { validDevices: { good: 9_998, all: 10_000 } })).toMatchObject({ met: false });
    expect(level("renewal-success", { renewals: { good: 998, all: 1_000 } })).toMatchObject({
      value: 0.998,
      met: false,
    });
    expect(level("automated-share", { automatedRotations: { good: 95, all: 100 } })).toMatchObject({ met: true });
    expect(level("audit-completeness", { closedIntents: { good: 99_999, all: 100_000 } })).toMatchObject({
      met: false,
    });
  });

  it("take the time within which 95 % of the expected devices had applied", () => {
    const propagation = Array.from({ length: 19 }, (_, index) => (index + 1) * 1_000);
    expect(level("revocation-propagation", { propagation })).toMatchObject({ value: 19_000, met: true });
    expect(level("revocation-propagation", { propagation, unacknowledged: 1 })).toMatchObject({
      value: 19_000,
      met: true,
    });
    expect(level("revocation-propagation", { propagation, unacknowledged: 2 })).toMatchObject({
      value: undefined,
      met: false,
    });
    expect(level("revocation-propagation", { propagation: [300_001] })).toMatchObject({ met: false });
  });

  it("are shares between 0 and 1, with a verdict exactly when something was counted", () => {
    const share = fc.tuple(fc.nat(), fc.nat()).map(([good, more]) => ({ good, all: good + more }));
    fc.assert(
      fc.property(share, fc.array(fc.nat()), fc.nat(50), (renewals, propagation, unacknowledged) => {
        for (const one of serviceLevels(counts({ renewals, propagation, unacknowledged }))) {
          const isCounted = one.unit === "share" ? one.value !== undefined : propagation.length + unacknowledged > 0;
          expect(one.met !== undefined, one.name).toBe(isCounted);
          expect(one.value ?? 0).toBeGreaterThanOrEqual(0);
          if (one.unit === "share") expect(one.value ?? 0).toBeLessThanOrEqual(1);
        }
      }),
    );
  });
});
