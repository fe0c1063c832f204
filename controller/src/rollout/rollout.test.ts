import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RolloutWorld } from "../../../test/support/controller/rollout-world.ts";

const minute = 60_000;

async function actions(world: RolloutWorld): Promise<string[]> {
  const audit = await world.world.store.transaction((tx) => tx.audit.list(1, 10_000));
  return audit.map(({ action }) => action).filter((action) => action.startsWith("rollout"));
}

describe("a rotation in waves", () => {
  it("asks one wave after the other, each only after the one before is proven and was watched", async () => {
    const world = await RolloutWorld.open(20);
    const id = await world.begin(20, { percents: [10, 50, 100], gates: { soak: 10 * minute } });
    const step = () => world.controller.rollouts.step();
    await step();
    const first = await world.wished(20);
    expect(first).toHaveLength(2);
    await step();
    expect(await world.wished(20)).toEqual(first);
    for (const device of first) await world.prove(device);
    await step();
    await step();
    expect(await world.wished(20)).toEqual([]);
    world.world.clock.advance(10 * minute);
    await world.restart();
    for (const expected of [8, 10]) {
      await step();
      await step();
      const wave = await world.wished(20);
      expect(wave).toHaveLength(expected);
      for (const device of wave) await world.prove(device);
      await step();
      world.world.clock.advance(10 * minute);
    }
    await step();
    const { rollout, devices } = await world.controller.rollouts.show(id);
    expect(rollout).toMatchObject({ state: "completed", wave: 2 });
    expect(new Set(devices.map(({ state }) => state))).toEqual(new Set(["proven"]));
    const waves = ["rolloutWave.started", "rolloutWave.started"];
    expect(await actions(world)).toEqual(["rollout.planned", "rollout.started", ...waves, "rollout.completed"]);
  });

  it("asks so that whoever is asked can be through before the wave is, and refuses a spread that cannot", async () => {
    const world = await RolloutWorld.open(4);
    await world.begin(4, { percents: [100], gates: { within: 2 * minute } });
    await world.controller.rollouts.step();
    const now = world.world.clock.now();
    const wish = await world.world.store.transaction((tx) => tx.wishes.find("edge-1", "identity"));
    expect(wish).toMatchObject({ windowStart: now, windowEnd: now + minute });
    const planned = world.controller.rollouts.plan("operator:alice", {
      ...{
        devices: world.ids(4),
        filter: "",
        slot: "identity",
        spread: 2 * minute,
        isUrgent: false,
        explanationUrl: "",
      },
      shape: { percents: [100], bySite: false },
      gates: { provenPercent: 100, maxFailures: 0, within: 2 * minute, soak: 0 },
    });
    await expect(planned).rejects.toMatchObject({
      code: "request-invalid",
      message: "a wave that is spread over 2m cannot be through within 2m",
    });
  });

  it("says why nobody can be asked, when devices were selected", async () => {
    const world = await RolloutWorld.open(2);
    const planned = world.controller.rollouts.plan("operator:alice", {
      ...{ devices: world.ids(2), filter: "", slot: "web", spread: 0, isUrgent: false, explanationUrl: "" },
      shape: { percents: [100], bySite: false },
      gates: { provenPercent: 100, maxFailures: 0, within: minute, soak: 0 },
    });
    await expect(planned).rejects.toMatchObject({ message: expect.stringContaining("of 2 devices selected none") });
  });

  it("looks at its devices again only after nine times as long as that took", async () => {
    const world = await RolloutWorld.open(10);
    await world.begin(10, { percents: [100] });
    const { store, clock } = world.world;
    const { transaction } = store;
    let transactions = 0;
    Object.assign(store, {
      transaction: (work: Parameters<typeof transaction>[0]) => {
        transactions += 1;
        clock.advance(100);
        return transaction(work);
      },
    });
    const step = async (): Promise<number> => {
      transactions = 0;
      await world.controller.rollouts.step();
      return transactions;
    };
    const first = await step();
    expect(first).toBeGreaterThan(3);
    await world.controller.outbox.drain();
    await new Promise((resolve) => setImmediate(resolve));
    const [atOnce, again] = [await step(), await step()];
    expect([atOnce, again]).toEqual([1, 1]);
    clock.advance(10 * minute);
    expect(await step()).toBeGreaterThan(1);
  });

  it("stops at a canary that fails: nobody else is asked, wishes are taken back, devices keep what they have", async () => {
    const world = await RolloutWorld.open(10);
    const id = await world.begin(10, { percents: [20, 100] });
    await world.controller.rollouts.step();
    const [bad = "", other = ""] = await world.wished(10);
    await world.fail(bad);
    await world.controller.rollouts.step();
    const { rollout, devices } = await world.controller.rollouts.show(id);
    expect(rollout).toMatchObject({
      state: "rolled-back",
      stateReason: expect.stringContaining("nginx does not start"),
    });
    const state = (device: string) => devices.find((one) => one.device === device)?.state;
    expect([state(bad), state(other)]).toEqual(["failed", "withdrawn"]);
    expect(await world.wished(10)).toEqual([]);
    expect(devices.filter((one) => one.state === "waiting")).toHaveLength(8);
    expect(world.controller.notices.map(({ name }) => name)).toContain("rollout.rolled-back");
  });

  it("takes a certificate that is issued and not proven in time for a failure, but no device that only was away", async () => {
    const world = await RolloutWorld.open(4);
    const id = await world.begin(4, { percents: [50, 100], gates: { within: 24 * 60 * minute } });
    await world.controller.rollouts.step();
    const [away = "", slow = ""] = await world.wished(4);
    await world.fail(away, "offline: the controller cannot be reached");
    await world.controller.rollouts.step();
    expect((await world.controller.rollouts.show(id)).rollout.state).toBe("running");
    await world.issue(slow);
    world.world.clock.advance(59 * minute);
    await world.controller.rollouts.step();
    expect((await world.controller.rollouts.show(id)).rollout.state).toBe("running");
    world.world.clock.advance(minute);
    await world.controller.rollouts.step();
    const { rollout } = await world.controller.rollouts.show(id);
    expect(rollout).toMatchObject({
      state: "rolled-back",
      stateReason: expect.stringContaining("is not proven in use"),
    });
  });

  it("pauses and goes on by a person's word, one rollout of a slot at a time", async () => {
    const world = await RolloutWorld.open(10);
    const { rollouts } = world.controller;
    const id = await world.begin(10, { percents: [50, 100] });
    await rollouts.pause("operator:alice", id);
    await rollouts.step();
    expect(await world.wished(10)).toEqual([]);
    await expect(rollouts.pause("operator:alice", id)).rejects.toMatchObject({ code: "conflict" });
    await expect(world.begin(10, { percents: [100] })).rejects.toMatchObject({ code: "conflict" });
    await rollouts.resume("operator:bob", id);
    await rollouts.step();
    expect(await world.wished(10)).toHaveLength(5);
    await rollouts.abort("operator:bob", id);
    await rollouts.step();
    expect(await world.wished(10)).toHaveLength(5);
    await expect(rollouts.resume("operator:bob", id)).rejects.toMatchObject({ code: "conflict" });
    await expect(rollouts.show("r-none")).rejects.toMatchObject({ code: "not-found" });
  });

  it("rolls back by a person's word, and leaves wishes alone that are not its own", async () => {
    const world = await RolloutWorld.open(4);
    const { rollouts, inventory } = world.controller;
    const id = await world.begin(4, { percents: [100] });
    await rollouts.step();
    await inventory.requestRotation("operator:bob", { devices: ["edge-1"] });
    await rollouts.rollBack("operator:alice", id);
    expect(await world.wished(4)).toEqual(["edge-1"]);
  });
});

/** What happens between two steps: a device proves, fails or is seen; the process ends; time goes on; a person acts. */
const event = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("step" as const) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom("prove", "contact"), device: fc.nat(11) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("fail" as const), device: fc.nat(11) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("restart", "wait", "pause", "resume") }) },
);

/** Plays events and gives the devices that were first asked after a step had to see a failure. */
async function touchedAfterFailure(
  events: readonly { readonly do: string; readonly device?: number }[],
  gates: { readonly maxFailures: number; readonly provenPercent: number },
) {
  const world = await RolloutWorld.open(12);
  const id = await world.begin(12, { percents: [50, 75, 100], gates });
  const asked = new Set<string>();
  const failing = new Set<string>();
  let known: Set<string> | undefined;
  for (const { do: what, device = 0 } of events) {
    const name = `edge-${device}`;
    const { rollouts } = world.controller;
    const isWished = (await world.wished(12)).includes(name);
    if (what === "step") {
      if (failing.size > 0) known ??= new Set(asked);
      await rollouts.step();
    } else if (what === "prove" && isWished) {
      await world.prove(name);
      failing.delete(name);
    } else if (what === "fail" && isWished) {
      await world.fail(name);
      failing.add(name);
    } else if (what === "contact") await world.contact(name);
    else if (what === "restart") await world.restart();
    else if (what === "wait") world.world.clock.advance(minute);
    else if (what === "pause") await rollouts.pause("operator:alice", id).catch(() => undefined);
    else if (what === "resume") await rollouts.resume("operator:alice", id).catch(() => undefined);
    for (const one of await world.wished(12)) asked.add(one);
  }
  return known === undefined ? [] : [...asked].filter((one) => !known.has(one));
}

describe("I13", () => {
  it("when a canary fails, no further device is touched, whatever happens around it", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 20, maxLength: 60, size: "max" }), async (events) => {
        expect(await touchedAfterFailure(events, { maxFailures: 0, provenPercent: 1 })).toEqual([]);
      }),
      { numRuns: process.env["FLEETCERT_LONG"] === "1" ? 3000 : 100 },
    );
  }, 3_600_000);

  it("is a test that can fail: a rollout that bears failures is caught", async () => {
    const each = (what: string, from: number, to: number) =>
      Array.from({ length: to - from }, (_, index) => ({ do: what, device: from + index }));
    const steps = Array.from({ length: 4 }, () => ({ do: "step" }));
    const play = [...steps, ...each("fail", 0, 6), ...each("prove", 6, 12), ...steps];
    expect(await touchedAfterFailure(play, { maxFailures: 1000, provenPercent: 1 })).not.toEqual([]);
    expect(await touchedAfterFailure(play, { maxFailures: 0, provenPercent: 1 })).toEqual([]);
  });
});
