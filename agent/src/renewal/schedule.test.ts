import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nextOpening } from "./maintenance.ts";
import { noRules, planRenewal, type RenewalRules, renewalMoment } from "./schedule.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const utc = (text: string): number => Date.parse(`${text}Z`);
const issued = utc("2026-11-20T12:00");
const credential = { notBefore: issued, notAfter: issued + 90 * day };
/** Saturdays from 22:00 for four hours. */
const saturdays = { cron: "0 22 * * 6", duration: 4 * hour, timeZone: "Europe/Berlin" };

function begin(at: number, some: Partial<RenewalRules> = {}, now = issued): number {
  return renewalMoment({ at }, credential, { rules: { ...noRules, ...some }, now });
}

describe("when a planned renewal may begin", () => {
  it("is the chosen point while nobody says otherwise", () => {
    expect(begin(issued + 60 * day)).toBe(issued + 60 * day);
  });

  it("waits for the next maintenance window, and takes a random point of it", () => {
    const thursday = utc("2026-12-03T09:00");
    const [opens, closes] = [utc("2026-12-05T21:00"), utc("2026-12-06T01:00")];
    const points = Array.from({ length: 200 }, (_, second) =>
      begin(thursday + second * 977, { maintenance: [saturdays] }),
    );
    expect(Math.min(...points)).toBeGreaterThanOrEqual(opens);
    expect(Math.max(...points)).toBeLessThan(closes);
    expect(Math.max(...points) - Math.min(...points)).toBeGreaterThan(3 * hour);
  });

  it("is the chosen point itself when that lies in a window", () => {
    const inside = utc("2026-12-05T23:17");
    expect(begin(inside, { maintenance: [saturdays] })).toBe(inside);
    expect(begin(inside, { maintenance: [saturdays] }, inside + minute)).toBe(inside);
  });

  it("waits for another window when the device was away while the first was open", () => {
    const inside = utc("2026-12-05T23:17");
    const sunday = utc("2026-12-06T09:00");
    const at = begin(inside, { maintenance: [saturdays] }, sunday);
    expect(at).toBeGreaterThanOrEqual(utc("2026-12-12T21:00"));
    expect(at).toBeLessThan(utc("2026-12-13T01:00"));
    expect(begin(inside, { maintenance: [saturdays] }, utc("2026-12-12T22:00"))).toBe(inside);
  });

  it("breaks the maintenance window when the end of the certificate is nearer than the window", () => {
    const yearly = { cron: "0 3 1 7 *", duration: hour, timeZone: "UTC" };
    const at = begin(issued + 60 * day, { maintenance: [yearly], renewBefore: 10 * day });
    expect(at).toBeLessThanOrEqual(credential.notAfter - 10 * day);
    expect(at).toBeGreaterThanOrEqual(credential.notAfter - 12.5 * day);
  });

  it("never lies later than the reserve before the end, when the assigned window reaches beyond the certificate", () => {
    const plan = planRenewal(
      {
        plan: undefined,
        window: { generation: 2, start: credential.notAfter - day, end: credential.notAfter + 30 * day },
      },
      { ...credential, generation: 1, key: { ref: "", id: "" }, certificate: new Uint8Array(), chain: [] },
      { now: issued, jitter: 0.99, isAnchored: true },
    );
    expect(plan.at).toBeGreaterThan(credential.notAfter);
    expect(begin(plan.at)).toBeLessThanOrEqual(credential.notAfter - 7.5 * day);
  });

  it("switched off, begins only near the end; urgent, at the chosen point, whatever the windows say", () => {
    const rules = { maintenance: [saturdays] };
    expect(begin(issued + day, { ...rules, mode: "urgent" })).toBe(issued + day);
    const off = begin(issued + day, { ...rules, mode: "disabled" });
    expect(off).toBeGreaterThan(credential.notAfter - 10 * day);
    expect(off).toBeLessThan(credential.notAfter - 7 * day);
  });

  it("is not before the earliest instant, unless the end is near", () => {
    expect(begin(issued + day, { earliest: issued + 30 * day })).toBe(issued + 30 * day);
    expect(begin(issued + day, { earliest: issued + 89 * day })).toBeLessThan(credential.notAfter - 7 * day);
  });

  it("passes over a window nobody can read, and never waits for one that never opens beyond the reserve", () => {
    const unreadable = [
      { cron: "every night", duration: hour, timeZone: "UTC" },
      { cron: "0 3 * * *", duration: hour, timeZone: "Mars/Olympus" },
    ];
    expect(begin(issued + 60 * day, { maintenance: unreadable })).toBe(issued + 60 * day);
    const never = [{ cron: "0 3 31 2 *", duration: hour, timeZone: "UTC" }];
    expect(begin(issued + 60 * day, { maintenance: never })).toBeLessThan(credential.notAfter - 7 * day);
  });

  it("whatever is said: never beyond the reserve, in a window or forced, and reached when one sleeps until it", () => {
    const window = fc.record({
      cron: fc.constantFrom("0 22 * * 6", "30 2 * * *", "0 3 1 * *", "*/20 4 * * 1-5", "0 3 31 2 *", "nonsense"),
      duration: fc.integer({ min: minute, max: 12 * hour }),
      timeZone: fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"),
    });
    const rules: fc.Arbitrary<RenewalRules> = fc.record({
      mode: fc.constantFrom("automatic", "disabled", "urgent"),
      earliest: fc.oneof(fc.constant(0), fc.integer({ min: issued, max: issued + 120 * day })),
      renewBefore: fc.integer({ min: 0, max: 60 * day }),
      maintenance: fc.array(window, { maxLength: 3 }),
    });
    const point = fc.integer({ min: issued - day, max: issued + 120 * day });
    fc.assert(
      fc.property(point, rules, fc.integer({ min: 0, max: 100 * day }), (at, rules, awayFor) => {
        const reserve = rules.renewBefore === 0 ? 7.5 * day : Math.min(rules.renewBefore, 45 * day);
        let now = issued + awayFor;
        let begins = renewalMoment({ at }, credential, { rules, now });
        for (let looks = 0; begins > now; looks++) {
          expect(looks).toBeLessThan(4);
          now = begins;
          begins = renewalMoment({ at }, credential, { rules, now });
        }
        expect(begins).toBeLessThanOrEqual(credential.notAfter - reserve);
        const isForced = now >= credential.notAfter - reserve * 1.25 - 1;
        if (isForced || rules.mode === "urgent") return;
        expect(rules.mode).toBe("automatic");
        expect(now).toBeGreaterThanOrEqual(rules.earliest);
        const readable = rules.maintenance.filter(({ cron }) => cron !== "nonsense");
        if (readable.length > 0) expect(nextOpening(readable, now)?.start).toBeLessThanOrEqual(now);
      }),
      { numRuns: 300 },
    );
  });
});

describe("a maintenance window where the clocks change", () => {
  const nightly = (cron: string, duration = hour) => [{ cron, duration, timeZone: "Europe/Berlin" }];

  it("opens after the gap when the clock is put forward over it", () => {
    // 2026-03-29: 02:00 becomes 03:00 in Berlin.
    const opening = nextOpening(nightly("30 2 * * *"), utc("2026-03-29T00:00"));
    expect(opening?.start).toBe(utc("2026-03-29T01:00"));
    expect(nextOpening(nightly("30 2 * * *"), utc("2026-03-29T02:30"))?.start).toBe(utc("2026-03-30T00:30"));
  });

  it("opens once when the clock is put back and the hour comes twice", () => {
    // 2026-10-25: 03:00 becomes 02:00 in Berlin; 02:30 is 00:30 UTC and again 01:30 UTC.
    const first = nextOpening(nightly("30 2 * * *", 10 * minute), utc("2026-10-24T23:00"));
    expect(first).toEqual({ start: utc("2026-10-25T00:30"), end: utc("2026-10-25T00:40") });
    const second = nextOpening(nightly("30 2 * * *", 10 * minute), utc("2026-10-25T00:40"));
    expect(second?.start).toBe(utc("2026-10-26T01:30"));
  });

  it("stays open for elapsed time across the change", () => {
    const opening = nextOpening(nightly("0 1 * * *", 3 * hour), utc("2026-10-24T23:30"));
    expect(opening).toEqual({ start: utc("2026-10-24T23:00"), end: utc("2026-10-25T02:00") });
  });

  it("is still open when it began before the instant asked about, also the day before", () => {
    const late = nightly("0 22 * * 6", 4 * hour);
    expect(nextOpening(late, utc("2026-12-06T00:59"))).toEqual({
      start: utc("2026-12-05T21:00"),
      end: utc("2026-12-06T01:00"),
    });
    expect(nextOpening(late, utc("2026-12-06T01:00"))?.start).toBe(utc("2026-12-12T21:00"));
  });
});
