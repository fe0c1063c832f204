import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { acceptTime, beginTime, enterEra, estimateTime, type TimeEvidence, type TimeKnowledge } from "./time-keeper.ts";

const minute = 60_000;
const day = 86_400_000;
const year = 365 * day;
const buildTime = Date.UTC(2026, 0, 1);
const present = Date.UTC(2026, 5, 15, 12);

const at = (wall: number, monotonic = 0) => ({ wall, monotonic });

/** A process that began with the build time as floor, at the given wall clock. */
const begun = (wall: number, stored?: number): TimeKnowledge =>
  beginTime(at(wall), { buildTime, stored: stored === undefined ? undefined : { era: 1, at: stored } });

const token = (knowledge: TimeKnowledge, reading: { wall: number; monotonic: number }, signedTime: number) =>
  acceptTime(knowledge, reading, { signedTime, evidence: "token" });

describe("the estimated time", () => {
  it("is the wall clock, unverified, while nothing contradicts it", () => {
    expect(estimateTime(begun(present), at(present + minute, minute))).toEqual({
      at: present + minute,
      status: "unverified",
    });
  });

  it("is unknown in 1970 before a token, and never below the floor", () => {
    expect(estimateTime(begun(0, present), at(5 * minute, 5 * minute))).toEqual({
      at: present + 5 * minute,
      status: "unknown",
    });
  });

  it("follows the token and the monotonic clock when the wall clock disagrees", () => {
    const knowledge = token(begun(present + 2 * day), at(present + 2 * day, 0), present);
    expect(estimateTime(knowledge, at(present + 2 * day + minute, minute))).toEqual({
      at: present + minute,
      status: "anchored",
    });
  });

  it("uses the wall clock again once it is within five minutes of what is signed", () => {
    const knowledge = token(begun(0), at(0), present);
    expect(estimateTime(knowledge, at(present + 4 * minute, minute))).toEqual({
      at: present + 4 * minute,
      status: "anchored",
    });
  });

  it("is the wall clock where a token that a courier brought could be as old as that says, else the token", () => {
    const carried = (wall: number) =>
      acceptTime(begun(wall), at(wall), { signedTime: present, evidence: "token", maxAge: 30 * day });
    const seen = (wall: number) => estimateTime(carried(wall), at(wall + minute, minute));
    expect(seen(present + 20 * day)).toEqual({ at: present + 20 * day + minute, status: "anchored" });
    for (const wall of [0, present - 400 * day, present + 400 * day]) {
      expect(seen(wall)).toEqual({ at: present + minute, status: "anchored" });
    }
  });

  it("is not moved by a token that was under way once a fresher one was heard", () => {
    const fresh = token(begun(0), at(0), present);
    const older = { signedTime: present - 3 * day, evidence: "token", maxAge: 30 * day } as const;
    expect(estimateTime(acceptTime(fresh, at(1, 1), older), at(minute, minute)).at).toBe(present + minute);
    const newer = { ...older, signedTime: present + day };
    expect(estimateTime(acceptTime(fresh, at(1, 1), newer), at(minute, minute)).at).toBe(present + day + minute - 1);
  });

  it("is a whole number of milliseconds, however fine the monotonic clock counts", () => {
    const knowledge = token(begun(present - 400 * day), at(present - 400 * day, 0.25), present);
    expect(estimateTime(knowledge, at(present - 400 * day, 7.75)).at).toBe(present + 7);
    expect(estimateTime(begun(0, present), at(5, 7.75)).at).toBe(present + 7);
  });

  it("never reads the wall clock below the last signed time", () => {
    const knowledge = token(begun(present), at(present), present);
    expect(estimateTime(knowledge, at(present - 3 * minute, 1)).at).toBe(present);
  });

  it("goes back with a later token when an earlier one was too far ahead, but not below the floor", () => {
    const ahead = token(begun(present), at(present), present + 10 * year);
    expect(estimateTime(ahead, at(present, 1)).at).toBe(present + 10 * year + 1);
    expect(estimateTime(token(ahead, at(present, 1), present), at(present, 2)).at).toBe(present);
  });

  it("is not lowered by an old message when the wall clock is right and nothing is anchored", () => {
    const knowledge = acceptTime(begun(present), at(present), { signedTime: present - 50 * day, evidence: "message" });
    expect(estimateTime(knowledge, at(present, 1))).toEqual({ at: present, status: "unverified" });
  });
});

describe("the floor", () => {
  it("is raised by tokens, messages and issuance", () => {
    for (const evidence of ["token", "message", "issuance"] as const) {
      const knowledge = acceptTime(begun(present), at(present), { signedTime: present, evidence });
      expect(knowledge.floor.at, evidence).toBe(present);
    }
  });

  it("stays where it is for steps of less than a minute", () => {
    const knowledge = token(begun(present, present), at(present), present + minute - 1);
    expect(knowledge.floor.at).toBe(present);
  });

  it("is not raised by a time more than 30 days above the estimate, which still anchors the session", () => {
    const knowledge = token(begun(0, present), at(0), present + 31 * day);
    expect(knowledge.floor.at).toBe(present);
    expect(estimateTime(knowledge, at(0, minute))).toEqual({ at: present + 31 * day + minute, status: "anchored" });
  });

  it("is not raised at all by a message that far above", () => {
    const knowledge = acceptTime(begun(0, present), at(0), { signedTime: present + 31 * day, evidence: "message" });
    expect(estimateTime(knowledge, at(0))).toEqual({ at: present, status: "unknown" });
  });

  it("follows a token after a year in a drawer when the wall clock agrees", () => {
    expect(token(begun(present, present - year), at(present), present).floor.at).toBe(present);
  });

  it("cannot be walked up by many small steps of a stolen key within one process", () => {
    let knowledge = token(begun(present), at(present), present);
    for (let step = 1; step < 200; step++) knowledge = token(knowledge, at(present, step), present + step * 29 * day);
    expect(knowledge.floor.at).toBeLessThanOrEqual(present + 31 * day);
  });

  it("is raised far by a root: the first era", () => {
    const knowledge = enterEra(begun(0), at(0), { era: 0, signedTime: present, buildTime });
    expect(knowledge.floor).toEqual({ era: 0, at: present });
  });

  it("is lowered by a higher era only, which forgets the wrong anchor, and never below the build time", () => {
    const wrong = token(begun(present + 5 * year, present), at(present + 5 * year), present + 5 * year);
    expect(wrong.floor.at).toBe(present + 5 * year);
    expect(enterEra(wrong, at(present), { era: 1, signedTime: present, buildTime })).toBe(wrong);
    const healed = enterEra(wrong, at(present), { era: 2, signedTime: present, buildTime });
    expect(healed.floor).toEqual({ era: 2, at: present });
    expect(estimateTime(healed, at(present + minute))).toEqual({ at: present + minute, status: "unverified" });
    expect(enterEra(wrong, at(present), { era: 2, signedTime: 0, buildTime }).floor.at).toBe(buildTime);
  });
});

describe("whatever the wall clock does", () => {
  it("the floor never falls but by a higher era, and the estimate never stands below it", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let reading = at(present);
        let knowledge = begun(present);
        for (const one of steps) {
          reading = { wall: Math.max(0, present + one.jump), monotonic: reading.monotonic + one.elapsed };
          const before = knowledge;
          knowledge = apply(knowledge, reading, one);
          const isNewEra = knowledge.floor.era !== before.floor.era;
          if (!isNewEra) expect(knowledge.floor.at).toBeGreaterThanOrEqual(before.floor.at);
          expect(knowledge.floor.at).toBeGreaterThanOrEqual(buildTime);
          expect(estimateTime(knowledge, reading).at).toBeGreaterThanOrEqual(knowledge.floor.at);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("an honest token gives the right time within five minutes", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), jump, jump, fc.nat(10 * day), (steps, before, after, elapsed) => {
        // Honest: no signed time is above the present.
        let knowledge = begun(Math.max(0, present + before));
        for (const one of steps) {
          const signedTime = Math.min(one.signedTime, present);
          knowledge = acceptTime(knowledge, at(Math.max(0, present + one.jump)), { ...one, signedTime });
        }
        knowledge = token(knowledge, at(Math.max(0, present + before)), present);
        const estimate = estimateTime(knowledge, at(Math.max(0, present + after), elapsed));
        expect(estimate.status).toBe("anchored");
        expect(Math.abs(estimate.at - (present + elapsed))).toBeLessThanOrEqual(5 * minute);
      }),
      { numRuns: 300 },
    );
  });

  it("a restart with any wall clock keeps the floor", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), jump, (steps, wall) => {
        const end = steps.reduce((knowledge, one) => apply(knowledge, at(present + one.jump), one), begun(present));
        const reading = at(Math.max(0, present + wall));
        const again = beginTime(reading, { buildTime, stored: end.floor });
        expect(again.floor).toEqual(end.floor);
        expect(estimateTime(again, reading).at).toBeGreaterThanOrEqual(end.floor.at);
      }),
    );
  });
});

/** ±1 s to ±20 years, and back to 1970. */
const jump = fc.oneof(
  fc.constantFrom(0, 1000, -1000, day, -day),
  fc.integer({ min: -20 * year, max: 20 * year }),
  fc.constant(-present),
);

const step = fc.record({
  jump,
  elapsed: fc.nat(400 * day),
  signedTime: fc.oneof(fc.integer({ min: 0, max: present + 20 * year }), fc.constant(present)),
  evidence: fc.constantFrom<TimeEvidence>("token", "message", "issuance"),
  era: fc.option(fc.nat(5), { nil: undefined, freq: 5 }),
});

function apply(
  knowledge: TimeKnowledge,
  reading: { wall: number; monotonic: number },
  one: { signedTime: number; evidence: TimeEvidence; era: number | undefined },
): TimeKnowledge {
  if (one.era !== undefined) return enterEra(knowledge, reading, { ...one, era: one.era, buildTime });
  return acceptTime(knowledge, reading, one);
}
