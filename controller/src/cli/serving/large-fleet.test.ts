import { describe, expect, it } from "vitest";
import { anEnrolledDevice, aWorld, startTestController } from "../../../../test/support/controller/controller.ts";
import { countingStore, type Readings } from "../../../../test/support/controller/counting-store.ts";
import { fillFleet, syntheticId } from "../../../../test/support/controller/synthetic-fleet.ts";
import { collectSamples, readiness } from "./controller-state.ts";
import { maintain } from "./maintenance.ts";

/** What each is read for, with a fleet and a list of that size, one revocation under way and half of the fleet connected. */
async function readingsOf(fleet: { readonly devices: number; readonly revoked: number }) {
  const world = await aWorld();
  const store = countingStore(world.store);
  const controller = await startTestController({ world: { ...world, store } });
  const { clock } = world;
  const issuer = controller.revocation.issuer;
  const device = await anEnrolledDevice(controller, "probe");
  const epoch = (await store.transaction((tx) => tx.epochs.latest(issuer)))?.epoch ?? 0;
  await fillFleet(world.store, { ...fleet, issuer, epoch, now: clock.now() });
  await controller.revocation.publishIfDue({ isStarting: true });
  await controller.revocation.revoke("local", { device: syntheticId(3), reason: "keyCompromise" });
  await controller.outbox.drain();
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const state = { duties: controller, clock, ownExpiries: async () => [] };
  const round = () => maintain({ duties: controller, clock, listeners: [], log });
  await round();

  const readings: Record<string, Readings> = {};
  const read = async (what: string, act: () => Promise<unknown>): Promise<void> => {
    store.take();
    await act();
    readings[what] = store.take();
  };
  await read("a scrape", () => collectSamples(state));
  await read("readiness", () => readiness(state));
  await read("a round", round);
  await read("a CONNECT", () => device.connect());
  await read("a session", async () =>
    controller.events.sessionChanged({ peer: await device.connect(), connected: true }),
  );
  await read("a report", () => device.report({ generation: 1, journal: "idle" }));
  await read("a rotation", () => device.rotate());
  return readings;
}

describe("what is done by the clock, by a scraper and for one message", () => {
  it("reads as much of a fleet of 12 as of one of 300, and none of the lists", async () => {
    const small = await readingsOf({ devices: 12, revoked: 5 });
    const large = await readingsOf({ devices: 300, revoked: 400 });
    for (const [what, { rows, octets }] of Object.entries(small)) {
      expect(rows, what).toBeGreaterThan(0);
      expect(rows, what).toBeLessThan(100);
      expect({ what, rows: large[what]?.rows }).toEqual({ what, rows });
      // A signature in DER is a few octets longer or shorter; a list of 400 entries is 16 kB longer.
      expect(Math.abs((large[what]?.octets ?? 0) - octets), what).toBeLessThan(100);
    }
  });

  it("counts in a scrape what a person is shown in full", async () => {
    const world = await aWorld();
    const controller = await startTestController({ world });
    const issuer = controller.revocation.issuer;
    await fillFleet(world.store, { issuer, epoch: 1, devices: 30, revoked: 1, now: world.clock.now() });
    await controller.store.transaction(async (tx) => {
      for (const [number, connectivity] of [
        [4, "rare"],
        [5, "rare"],
        [6, "courier"],
      ] as const) {
        const found = await tx.devices.find(syntheticId(number));
        if (found !== undefined) await tx.devices.put({ ...found, attributes: { ...found.attributes, connectivity } });
      }
    });
    const { epoch } = await controller.revocation.revoke("local", { device: syntheticId(3), reason: "keyCompromise" });
    await controller.store.transaction(async (tx) => {
      for (let number = 8; number < 30; number += 1) {
        const before = await tx.acks.find(syntheticId(number), issuer);
        if (before !== undefined) await tx.acks.put({ ...before, epoch });
      }
    });
    const shown = await controller.revocation.propagation();
    const behind = await controller.store.transaction((tx) => controller.revocation.reachIn(tx));
    expect(shown).toMatchObject({ epoch, expected: 29, acknowledged: 22 });
    expect(shown.waiting).toEqual([0, 1, 2, 4, 5, 6, 7].map(syntheticId));
    expect(shown.laggards.map(({ connectivity, count }) => ({ connectivity, count }))).toEqual([
      { connectivity: "always", count: 4 },
      { connectivity: "courier", count: 1 },
      { connectivity: "rare", count: 2 },
    ]);
    expect(behind).toMatchObject({ acknowledged: 22, behind: shown.laggards.map(({ devices: _, ...one }) => one) });
  });
});
