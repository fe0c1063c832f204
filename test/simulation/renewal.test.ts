import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { reduce } from "../../agent/src/renewal/reduce.ts";
import { type RenewalFaults, RenewalWorld, renewalSettings } from "../support/renewal-world.ts";

const isLong = process.env["FLEETCERT_LONG"] === "1";
const runs = isLong ? 200_000 : 20_000;
/** I12: twice the poll interval and the cap of the backoff. */
const convergence = 2 * renewalSettings.lookAgainAfter + renewalSettings.backoff.cap;

/** One life of a slot; the first violation, or undefined. `FLEETCERT_SEED` replays one. */
function liveThrough(seed: number, faults: RenewalFaults = {}): string | undefined {
  const world = new RenewalWorld(seed, faults);
  world.runFaulty(120);
  if (world.violations.length === 0 && world.heal(convergence) === undefined && world.violations.length === 0) {
    const { journal, attempts, abandoned } = world.durable;
    return `I12: not settled ${convergence} ms after faults stopped, at ${journal.at} (${attempts} attempts, ${abandoned} given up)`;
  }
  return world.violations[0];
}

describe("a slot in a hostile world", () => {
  it(
    `keeps I1, I4, I5, I10, I11 and I12 in ${runs} lives`,
    () => {
      const replay = process.env["FLEETCERT_SEED"];
      const seeds = replay === undefined ? fc.nat(2 ** 31 - 1) : fc.constant(Number(replay));
      const numRuns = replay === undefined ? runs : 1;
      fc.assert(
        fc.property(fc.noShrink(seeds), (seed) => {
          const violation = liveThrough(seed);
          if (violation !== undefined) throw new Error(`${violation}; replay with FLEETCERT_SEED=${seed}`);
        }),
        { numRuns },
      );
    },
    isLong ? 600_000 : 60_000,
  );

  it("comes to many generations, so that the lives are not all one step long", () => {
    const generations = Array.from({ length: 200 }, (_, seed) => {
      const world = new RenewalWorld(seed);
      world.runFaulty(400);
      return world.durable.current?.generation ?? 0;
    });
    expect(Math.max(...generations)).toBeGreaterThan(3);
    expect(generations.filter((generation) => generation === 0).length).toBeLessThan(40);
  });
});

describe("the sweep itself", () => {
  const planted: readonly (readonly [string, string, RenewalFaults])[] = [
    [
      "the old key is destroyed before the new one is proven",
      "I1",
      {
        reduce: (state, event, moment, settings) => {
          const { state: next, effects } = reduce(state, event, moment, settings);
          const isProving = next.journal.at === "proving" && state.journal.at !== "proving";
          if (!isProving || next.current === undefined) return { state: next, effects };
          return { state: next, effects: [{ do: "destroy", key: next.current.key }, ...effects] };
        },
      },
    ],
    [
      "the new credential is taken as proven when it is installed",
      "I1",
      {
        reduce: (state, event, moment, settings) => {
          if (event.type !== "installed" || state.journal.at !== "issued")
            return reduce(state, event, moment, settings);
          const { next } = state.journal;
          return {
            state: { ...state, current: next, journal: { at: "idle" } },
            effects: [{ do: "sleep", duration: 0 }],
          };
        },
      },
    ],
    [
      "an answer about another key is taken",
      "I",
      {
        reduce: (state, event, moment, settings) => {
          const { journal } = state;
          const keyId = "key" in journal ? journal.key.id : "next" in journal ? journal.next.key.id : "";
          return reduce(state, "keyId" in event ? { ...event, keyId } : event, moment, settings);
        },
      },
    ],
    [
      "a pending credential is destroyed because it expired",
      "I1",
      {
        reduce: (state, event, moment, settings) => {
          const { journal } = state;
          const isSpent = journal.at === "proving" && moment.now > journal.next.notAfter;
          if (!isSpent) return reduce(state, event, moment, settings);
          const { key } = journal.next;
          return { state: { ...state, journal: { at: "abandoned", key } }, effects: [{ do: "destroy", key }] };
        },
      },
    ],
    [
      "a failure is final",
      "I12",
      {
        reduce: (state, event, moment, settings) => {
          const reduction = reduce(state, event, moment, settings);
          return event.type === "failed" ? { ...reduction, effects: [] } : reduction;
        },
      },
    ],
    ["a write that was acknowledged is lost in a power cut", "I10", { losesWrites: true }],
    ["a key left behind by a crash is not looked for", "I11", { forgetsOrphans: true }],
  ];

  it.each(planted)("notices when %s (%s)", (_, invariant, faults) => {
    const violations = Array.from({ length: 3_000 }, (_, seed) => liveThrough(seed, faults)).filter(
      (violation) => violation !== undefined,
    );
    expect(violations.some((violation) => violation.startsWith(invariant))).toBe(true);
  });
});
