import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anApiKey, anOperator, hex64 } from "../../../test/contracts/store-records.ts";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { SeededRandom } from "../../../test/support/seeded-random.ts";
import { memoryStore } from "../adapters/store/memory/memory-store.ts";
import type { Store } from "../store-port.ts";
import { type Approval, openApproval, type PlanKind } from "./approval.ts";

const hour = 3_600_000;
const day = 24 * hour;
const bound = 4;
const kindBound = { revoke: bound, reinstate: bound, claim: bound };

/** Who acts: several certificates and keys of few persons, some of whom let others in, and the host's administrator. */
const actors = [
  "local",
  "operator:alice",
  "operator:alice-laptop",
  "operator:alice#0000000000000001",
  "operator:bob",
  "operator:bob#0000000000000002",
  "operator:puppet",
  "operator:puppet-of-puppet",
  "operator:carol#0000000000000003",
];

/** Who could stand behind an actor, written down by hand and not by the code that is tested. */
const behind: Readonly<Record<string, readonly string[]>> = {
  local: ["local"],
  "operator:alice": ["alice"],
  "operator:alice-laptop": ["alice"],
  "operator:alice#0000000000000001": ["alice"],
  "operator:bob": ["bob"],
  "operator:bob#0000000000000002": ["bob"],
  "operator:puppet": ["puppet", "alice"],
  "operator:puppet-of-puppet": ["puppet-of-puppet", "puppet", "alice"],
  "operator:carol#0000000000000003": ["carol", "bob"],
};

type Step =
  | {
      readonly type: "submit" | "admit";
      readonly actor: string;
      readonly weight: number;
      readonly name: number;
      readonly rate: number;
    }
  | { readonly type: "approve"; readonly actor: string; readonly which: number }
  | { readonly type: "advance"; readonly by: number }
  | { readonly type: "restart" };

const actor = fc.constantFrom(...actors);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constantFrom("submit" as const, "admit" as const),
      actor,
      weight: fc.integer({ min: 1, max: bound + 2 }),
      name: fc.integer({ min: 0, max: 3 }),
      rate: fc.constantFrom(0, 0, 30),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("approve" as const), actor, which: fc.nat(20) }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("advance" as const), by: fc.integer({ min: 1, max: 13 * hour }) }),
  },
  { weight: 1, arbitrary: fc.constant({ type: "restart" as const }) },
);

describe("the two-person bound (I14)", () => {
  it("holds under any interleaving of small jobs, persons, keys and restarts", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 25 }), async (rounds) => {
        await play(rounds);
      }),
      { numRuns: process.env["FLEETCERT_LONG"] === "1" ? 5000 : 150 },
    );
  });
});

/** Steps of one round are begun together. */
async function play(rounds: readonly (readonly Step[])[]): Promise<void> {
  const world = new World();
  await world.begin();
  for (const steps of rounds) {
    await Promise.all(steps.filter(({ type }) => type !== "restart").map((one) => world.take(one)));
    if (steps.some(({ type }) => type === "restart")) await world.restart();
    world.check();
  }
}

interface Done {
  readonly at: number;
  readonly weight: number;
  readonly by: string;
  readonly approvedBy: string;
}

class World {
  readonly clock = new ManualClock(Date.UTC(2026, 10, 20));
  readonly store: Store = memoryStore();
  /** What was done, as the executor saw it, by hash; only the first item counts the weight. */
  readonly done = new Map<string, Done>();
  approval: Approval | undefined;
  #admitted = 0;

  async begin(): Promise<void> {
    await this.store.transaction(async (tx) => {
      const people: [string, string, string][] = [
        ["alice", "alice", "local"],
        ["alice-laptop", "alice", "local"],
        ["bob", "bob", "local"],
        ["carol", "carol", "local"],
        ["puppet", "puppet", "operator:alice#0000000000000001"],
        ["puppet-of-puppet", "puppet-of-puppet", "operator:puppet"],
      ];
      for (const [index, [name, person, createdBy]] of people.entries()) {
        await tx.operators.put(anOperator({ name, person, createdBy, certificateSha256: hex64(200 + index) }));
      }
      const keys = [
        ["1", "alice", "local"],
        ["2", "bob", "local"],
        ["3", "carol", "operator:bob"],
      ] as const;
      for (const [id, operator, createdBy] of keys) {
        await tx.apiKeys.put(anApiKey({ id: id.padStart(16, "0"), operator, createdBy, expiresAt: 9e12 }));
      }
    });
    await this.restart();
  }

  async restart(): Promise<void> {
    const kinds: PlanKind[] = [this.#kind()];
    this.approval = await openApproval({
      store: this.store,
      surroundings: {
        clock: this.clock,
        random: new SeededRandom(1),
        notices: { raise: () => undefined },
        failpoint: async () => undefined,
      },
      configured: kindBound,
      planValidFor: 20 * hour,
      kinds: () => kinds,
    });
  }

  async take(one: Step): Promise<void> {
    const { approval } = this;
    if (approval === undefined || one.type === "restart") return;
    if (one.type === "advance") {
      this.clock.advance(one.by);
      await approval.advance();
      return;
    }
    if (one.type === "approve") {
      const plans = await approval.list(1000);
      const chosen = plans[one.which % Math.max(1, plans.length)];
      if (chosen !== undefined) await approval.approve(one.actor, chosen.hash).catch(expected);
      return;
    }
    const { actor, weight, name, rate } = one;
    if (one.type === "submit") {
      await approval.submit({ actor, kind: "work", request: { name, weight }, rate }).catch(expected);
      return;
    }
    await this.store.transaction(async (tx) => {
      const act = { actor, kind: "permit", budget: "revoke", weight, facts: { name, weight } } as const;
      const before = (await tx.plans.list(1000)).filter(({ state }) => state === "granted");
      if ((await approval.admit(tx, act)) !== undefined) return;
      const after = new Set(
        (await tx.plans.list(1000)).filter(({ state }) => state === "granted").map(({ hash }) => hash),
      );
      const used = before.find(({ hash }) => !after.has(hash));
      this.#admitted += 1;
      const approvedBy = used?.decidedBy ?? "";
      this.done.set(`permit ${this.#admitted}`, { at: this.clock.now(), weight, by: actor, approvedBy });
    });
  }

  /** Written from the invariant: alone at most the bound in any 24 hours; above it two who share nobody behind them. */
  check(): void {
    const all = [...this.done.values()];
    for (const { by, approvedBy } of all.filter((one) => one.approvedBy !== "")) {
      const common = (behind[by] ?? []).filter((person) => behind[approvedBy]?.includes(person));
      expect(common, `${by} approved by ${approvedBy}`).toEqual([]);
    }
    const alone = all.filter(({ approvedBy }) => approvedBy === "");
    for (const person of new Set(Object.values(behind).flat())) {
      const own = alone.filter(({ by }) => behind[by]?.includes(person));
      for (const { at } of own) {
        const within = own.filter((one) => one.at <= at && one.at > at - day);
        const sum = within.reduce((total, { weight }) => total + weight, 0);
        expect(sum, `${person} alone within 24 hours`).toBeLessThanOrEqual(bound);
      }
    }
  }

  #kind(): PlanKind {
    return {
      name: "work",
      draft: async (_tx, { request }) => {
        const { name, weight } = request as { readonly name: number; readonly weight: number };
        const items = Array.from({ length: weight }, (_, index) => `${name}/${index}`);
        return { request: { name, weight }, budget: "revoke", weight, items, facts: {}, impact: {} };
      },
      execute: async (_tx, { plan, at }) => {
        if (this.done.has(plan.hash)) return;
        this.done.set(plan.hash, { at, weight: plan.weight, by: plan.requestedBy, approvedBy: plan.decidedBy });
      },
      settle: async () => ({ droppedSessions: 0, blockedAtBroker: 0, epoch: undefined }),
    };
  }
}

/** Refusals are the point; anything else is a fault. */
function expected(error: unknown): void {
  const { code } = error as { readonly code?: string };
  if (!["second-person-required", "denied", "conflict", "plan-stale"].includes(code ?? "")) throw error;
}
