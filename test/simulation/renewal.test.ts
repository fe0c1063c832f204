import { describe, expect, it } from "vitest";
import { reduce } from "../../agent/src/renewal/reduce.ts";
import {
  type FaultKind,
  noFaults,
  type RenewalFaults,
  renewalSettings,
  type SlotKind,
} from "../support/renewal/renewal-faults.ts";
import { RenewalWorld } from "../support/renewal/renewal-world.ts";

const isLong = process.env["FLEETCERT_LONG"] === "1";
/** Lives in which power failed at least once. */
const wantedCrashRuns = isLong ? 1_000_000 : 100_000;
/** I12: twice the poll interval and the cap of the backoff. */
const convergence = 2 * renewalSettings.lookAgainAfter + renewalSettings.backoff.cap;
const kinds: readonly SlotKind[] = ["identity", "service", "moving"];
const steps = 160;

interface Life {
  readonly violation: string | undefined;
  readonly faults: Readonly<Record<FaultKind, number>>;
}

/** One life of a slot, whose kind the seed decides too. */
function liveThrough(seed: number, faults: RenewalFaults = {}): Life {
  const world = new RenewalWorld(seed, { kind: kinds[seed % kinds.length] ?? "identity", ...faults });
  world.runFaulty(steps);
  const isSettled = world.violations.length > 0 || world.heal(convergence) !== undefined;
  const { journal, attempts, abandoned } = world.durable;
  const stuck = `I12: not settled ${convergence} ms after faults stopped, at ${journal.at} (${attempts} attempts, ${abandoned} given up)`;
  return { violation: world.violations[0] ?? (isSettled ? undefined : stuck), faults: world.faults };
}

/** The number of the first life in which a planted fault shows as a violation of the invariant. */
function caughtAfter(faults: RenewalFaults, invariant: string, limit: number): number | undefined {
  for (let seed = 0; seed < limit; seed++) {
    if (liveThrough(seed, faults).violation?.startsWith(invariant === "I" ? "I" : `${invariant}:`) === true)
      return seed + 1;
  }
  return undefined;
}

describe("a slot in a hostile world", () => {
  it(
    `keeps I1, I4, I5, I10, I11, I12 and I13 in ${wantedCrashRuns} lives with power cuts: identity, service, change of key store`,
    () => {
      const replay = process.env["FLEETCERT_SEED"];
      const first = Number(replay ?? Math.floor(Math.random() * 2 ** 30));
      const total = { ...noFaults };
      let [lives, crashRuns] = [0, 0];
      while (crashRuns < wantedCrashRuns && (replay === undefined || lives === 0)) {
        const seed = first + lives;
        const { violation, faults } = liveThrough(seed);
        if (violation !== undefined) expect.fail(`${violation}; replay with FLEETCERT_SEED=${seed}`);
        for (const kind of Object.keys(total) as FaultKind[]) total[kind] += faults[kind];
        lives += 1;
        if (faults.crash > 0) crashRuns += 1;
      }
      const counts = Object.entries(total).map(([kind, count]) => `${kind} ${count}`);
      process.stdout.write(
        `crash sweep: ${lives} lives from seed ${first}, ${crashRuns} with power cuts; faults: ${counts.join(", ")}; violations 0\n`,
      );
    },
    isLong ? 7_200_000 : 240_000,
  );

  it("comes to many generations, so that the lives are not all one step long", () => {
    const generations = Array.from({ length: 200 }, (_, seed) => {
      const world = new RenewalWorld(seed, { kind: kinds[seed % kinds.length] ?? "identity" });
      world.runFaulty(400);
      return world.durable.current?.generation ?? 0;
    });
    expect(Math.max(...generations)).toBeGreaterThan(3);
    expect(generations.filter((generation) => generation === 0).length).toBeLessThan(40);
  });
});

/** A life that ends in retirement, with every fault before and after; what is wrong with its end, or undefined. */
function retireAfter(seed: number, faults: RenewalFaults = {}): string | undefined {
  const world = new RenewalWorld(seed, faults);
  world.runFaulty(60);
  world.retire();
  world.runFaulty(60);
  return world.violations[0] ?? (world.comesToRest() ? undefined : "a key survived the retirement");
}

describe("a slot whose device is retired", () => {
  it("comes to rest without a key, whatever fails on the way", () => {
    const runs = isLong ? 20_000 : 2_000;
    const survived = Array.from({ length: runs }, (_, seed) => [seed, retireAfter(seed)]).filter(([, why]) => why);
    expect(survived).toEqual([]);
  });

  it("is seen to keep a key when erasing is not taken up again after a power cut", () => {
    const forgets: RenewalFaults = {
      reduce: (state, event, moment, settings) => {
        const reduction = reduce(state, event, moment, settings);
        const isAgain = state.journal.at === "retired" && event.type === "started";
        return isAgain ? { ...reduction, effects: [] } : reduction;
      },
    };
    const lives = Array.from({ length: 1_000 }, (_, seed) => retireAfter(seed, forgets));
    expect(lives.some((why) => why !== undefined)).toBe(true);
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
      "I",
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
      "the old key is destroyed as soon as a person permits to enrol anew",
      "I1",
      {
        reduce: (state, event, moment, settings) => {
          const { state: next, effects } = reduce(state, event, moment, settings);
          const isNew = event.type === "permitted" && next !== state && next.current !== undefined;
          return isNew && next.current !== undefined
            ? { state: next, effects: [{ do: "destroy", key: next.current.key }, ...effects] }
            : { state: next, effects };
        },
      },
    ],
    [
      "the key certified before the revocation is used for the new enrolment",
      "I7",
      {
        reduce: (state, event, moment, settings) => {
          const { journal } = state;
          const reduction = reduce(state, event, moment, settings);
          if (event.type !== "permitted" || journal.at !== "requested" || reduction.state === state) return reduction;
          const { generation } = event;
          return {
            state: { ...reduction.state, journal: { ...journal, generation } },
            effects: [{ do: "sleep", duration: 0 }],
          };
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
    [
      "a service is not taken back after it could not reload",
      "I",
      {
        kind: "service",
        reduce: (state, event, moment, settings) => {
          const reduction = reduce(state, event, moment, settings);
          const { journal } = reduction.state;
          if (journal.at !== "restoring" || !journal.isGivenUp) return reduction;
          const { key } = journal.next;
          return {
            state: { ...reduction.state, journal: { at: "abandoned", key } },
            effects: [{ do: "destroy", key }],
          };
        },
      },
    ],
    [
      "a service goes back to the wrong credential",
      "I13",
      {
        kind: "service",
        reduce: (state, event, moment, settings) => {
          const reduction = reduce(state, event, moment, settings);
          const effects = reduction.effects.map((effect) =>
            effect.do === "restore" ? { ...effect, previous: effect.next } : effect,
          );
          return { ...reduction, effects };
        },
      },
    ],
    [
      "a key store that does not work is waited for until the certificate has ended",
      "I12",
      {
        kind: "moving",
        reduce: (state, event, moment, settings) => {
          const isMove = event.type === "failed" && event.doing === "generate";
          return isMove ? { state, effects: [] } : reduce(state, event, moment, settings);
        },
      },
    ],
    ["a write that was acknowledged is lost in a power cut", "I10", { losesWrites: true }],
    ["a key left behind by a crash is not looked for", "I11", { forgetsOrphans: true }],
  ];

  it.each(planted)("notices when %s (%s)", (_, invariant, faults) => {
    expect(caughtAfter(faults, invariant, 3_000)).toBeDefined();
  });

  it("notices a deleted old key within 1,000 runs", () => {
    const [[, , faults] = []] = planted;
    const runs = caughtAfter(faults ?? {}, "I1", 1_000);
    process.stdout.write(
      `crash sweep: a planted fault, the old key deleted before the proof, was caught in run ${runs}\n`,
    );
    expect(runs).toBeDefined();
  });
});
