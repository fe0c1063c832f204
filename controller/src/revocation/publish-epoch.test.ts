import { parseTopic } from "@fleetcert/proto";
import { parseCertificate, parseCrl } from "@fleetcert/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";
import { readPublished } from "../../../test/support/revocation/published-revocation.ts";
import { listsOf } from "../../../test/support/revocation/stored-lists.ts";
import { memoryStore } from "../adapters/store/memory/memory-store.ts";
import type { Store } from "../store-port.ts";

const hour = 3_600_000;

/** A store with all the rows that a backup of the controller's has. */
async function copyOf(controller: TestController): Promise<Store> {
  const { issuer } = controller.revocation;
  const backup = memoryStore();
  const rows = await controller.store.transaction(async (tx) => ({
    devices: await tx.devices.list({ limit: 100 }),
    certificates: await tx.certificates.list({ limit: 100 }),
    shards: await tx.shards.listOf(issuer),
    epoch: await tx.epochs.latest(issuer),
    audit: await tx.audit.list(1, 1000),
  }));
  await backup.transaction(async (tx) => {
    for (const device of rows.devices) await tx.devices.put(device);
    for (const certificate of rows.certificates) await tx.certificates.put(certificate);
    for (const shard of rows.shards) await tx.shards.put(shard);
    for (const entry of rows.audit) await tx.audit.append(entry);
    if (rows.epoch !== undefined) await tx.epochs.put(rows.epoch);
  });
  return backup;
}

describe("publication", () => {
  it("covers a fresh certificate before it is needed, and signs only lists that changed", async () => {
    const controller = await startTestController({ config: "shardSpan: 10d" });
    const device = await anEnrolledDevice(controller, "edge-1");
    await controller.revocation.publishIfDue();
    controller.world.clock.advance(20 * 24 * hour);
    await anEnrolledDevice(controller, "edge-2");
    await controller.revocation.publishIfDue();
    await controller.revocation.revoke("local", {
      serial: parseCertificate(device.certificate).serial.hex,
      reason: "superseded",
    });
    const { head } = await readPublished(controller);
    expect(head.shards.map(({ shard, coveredTo }) => [shard, coveredTo])).toEqual([
      [0, 1024],
      [1, 1024],
    ]);
    const [changed, unchanged] = head.shards;
    expect(changed?.crlEpoch).toBe(head.epoch);
    expect(unchanged?.crlEpoch).toBeLessThan(head.epoch);
  });

  it("sends parts first and the head last, and clears parts that nobody needs any more", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    for (let count = 0; count < 6; count++) await controller.revocation.publish({ refreshAll: true });
    await controller.outbox.drain();
    const fleet = controller.published
      .map(({ topic }) => parseTopic(topic))
      .filter((topic) => topic?.type === "head" || topic?.type === "crl-part");
    for (const [index, topic] of fleet.entries()) {
      // The first head, before any certificate, has no list.
      if (topic?.type === "head" && index > 0) expect(fleet[index - 1]?.type).toBe("crl-part");
    }
    const kept = [...controller.retained.keys()].filter((topic) => parseTopic(topic)?.type === "crl-part");
    expect(kept).toHaveLength(3);
    expect((await readPublished(controller)).lists).toHaveLength(1);
  });

  it("refreshes the head at half its life and the lists at their age, and otherwise rests", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    await controller.revocation.publishIfDue();
    const first = (await readPublished(controller)).head;
    expect(await controller.revocation.publishIfDue()).toBeUndefined();
    controller.world.clock.advance(hour / 2);
    expect(await controller.revocation.publishIfDue()).toMatchObject({ epoch: first.epoch + 1 });
    expect((await readPublished(controller)).head.shards[0]?.crlEpoch).toBe(first.epoch);
    controller.world.clock.advance(24 * hour);
    await controller.revocation.publishIfDue();
    const { head } = await readPublished(controller);
    expect(head.shards[0]?.crlEpoch).toBe(head.epoch);
  });

  it("goes on past the anchor and forgets no revocation when an older database was put back (I3, I7)", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const superseded = await anEnrolledDevice(controller, "edge-2");
    const backup = await copyOf(controller);
    await controller.revocation.revoke("local", { device: "edge-1", reason: "keyCompromise" });
    const serial = parseCertificate(superseded.certificate).serial.hex;
    await controller.revocation.revoke("local", { serial, reason: "superseded" });
    const { head } = await readPublished(controller);

    const restored = await startTestController({ world: { ...controller.world, store: backup } });
    await restored.revocation.announce();
    const after = await readPublished(restored);
    expect(after.head.epoch).toBeGreaterThan(head.epoch);
    expect(after.lists[0]?.entryCount).toBe(2);
    expect(restored.notices.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["epoch.skipped", "revocation.recovered"]),
    );
    device.controller = restored;
    await expect(device.connect()).rejects.toMatchObject({ code: "device-suspended" });
    const known = await restored.store.transaction((tx) => tx.devices.find("edge-2"));
    expect(known?.state).toBe("active");
    expect(await restored.revocation.recover()).toBe(0);
  });

  it("brings back what was revoked also when nothing at all is left of the database", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    await controller.revocation.revoke("local", { device: "edge-1", reason: "keyCompromise" });
    const { head } = await readPublished(controller);
    const restored = await startTestController({ world: { ...controller.world, store: memoryStore() } });
    const after = await readPublished(restored);
    expect(after.head.epoch).toBeGreaterThan(head.epoch);
    expect(after.lists[0]?.find(parseCertificate(device.certificate).serial)).toBeDefined();
    const other = await anEnrolledDevice(restored, "edge-2");
    expect(parseCertificate(other.certificate).serial.index).toBe(1024);
  });

  it("keeps a revoked certificate on the list past its end and drops it when nobody can accept it any more", async () => {
    const controller = await startTestController({
      config: "renewAfterExpiry: 10d",
      profiles: "profiles: {device: {validity: 5d}}",
    });
    const device = await anEnrolledDevice(controller, "edge-1");
    const { serial, notAfter } = parseCertificate(device.certificate);
    await controller.revocation.revoke("local", { device: "edge-1", reason: "keyCompromise" });
    const isListed = async () => {
      await controller.revocation.publish({ refreshAll: true });
      return (await readPublished(controller)).lists[0]?.find(serial) !== undefined;
    };
    controller.world.clock.advance(notAfter - controller.world.clock.now() + 10 * 24 * hour);
    expect(await isListed()).toBe(true);
    controller.world.clock.advance(2 * 24 * hour);
    expect(await isListed()).toBe(false);
  });
});

describe("a revocation that a crash keeps from being published", () => {
  it.each(["crl.after-anchor", "crl.after-intent", "crl.after-signing"] as const)(
    "is published at the next start and measured from its request, after a crash at %s",
    async (where) => {
      let isArmed = false;
      const controller = await startTestController({
        failpoint: async (name) => {
          if (isArmed && name === where) throw new Error("the process ends here");
        },
      });
      await anEnrolledDevice(controller, "edge-1");
      await anEnrolledDevice(controller, "edge-2");
      await controller.revocation.publishIfDue();
      isArmed = true;
      const requestedAt = controller.world.clock.now();
      const revoking = controller.revocation.revoke("local", { device: "edge-1", reason: "keyCompromise" });
      await expect(revoking).rejects.toThrow("the process ends here");
      controller.world.clock.advance(7_000);
      const restarted = await startTestController({ world: controller.world });
      expect(await restarted.revocation.propagation()).toMatchObject({ requestedAt, expected: 1, acknowledged: 0 });
      const { blockedAtBroker } = await restarted.revocation.propagation();
      expect(blockedAtBroker).toBeGreaterThanOrEqual(7_000);
    },
  );

  it("is not made up of certificates that the controller itself took back", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    await controller.store.transaction(async (tx) => {
      const { serial } = parseCertificate(device.certificate);
      const [shard, index] = [serial.shard ?? 0, serial.index ?? 0];
      const [issuer, revokedAt] = [controller.revocation.issuer, controller.world.clock.now()];
      const row = { issuer, serial: serial.hex, shard, index, revokedAt, notAfter: revokedAt + hour, epoch: 0 };
      await tx.revocations.put({ ...row, reason: "superseded" });
    });
    await controller.revocation.publish();
    expect((await readPublished(controller)).lists[0]?.entryCount).toBe(1);
    await expect(controller.revocation.propagation()).rejects.toMatchObject({ code: "not-found" });
  });
});

describe("what is no longer needed", () => {
  it("is forgotten: epochs after 400 days, lists after 64 newer ones, and a comparison with them says so", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    const first = await controller.revocation.publish({ refreshAll: true });
    for (let count = 0; count < 70; count++) await controller.revocation.publish({ refreshAll: true });
    const { issuer } = controller.revocation;
    const lists = await controller.store.transaction((tx) => tx.crls.listOf(issuer, 0, 1000));
    expect(lists).toHaveLength(64);
    const last = lists[0]?.epoch ?? 0;
    await expect(controller.revocation.diff(first.epoch, last)).rejects.toMatchObject({ code: "not-found" });
    expect(await controller.revocation.diff(last - 10, last)).toEqual({ added: [], removed: [] });
    await expect(controller.revocation.diff(last, last + 1)).rejects.toMatchObject({ code: "not-found" });

    expect(await controller.store.transaction((tx) => tx.epochs.find(issuer, first.epoch))).toBeDefined();
    controller.world.clock.advance(401 * 24 * hour);
    const renewed = await controller.revocation.publish();
    expect(await controller.store.transaction((tx) => tx.epochs.find(issuer, first.epoch))).toBeUndefined();
    expect(await controller.store.transaction((tx) => tx.epochs.latest(issuer))).toEqual(renewed);
  });
});

describe("many revocations at once", () => {
  it("share publications, and each is on the list of the epoch it was told", async () => {
    const controller = await startTestController({ config: "bounds: {revokeAlone: 100}" });
    const devices = [];
    for (let index = 0; index < 12; index++) devices.push(await anEnrolledDevice(controller, `edge-${index}`));
    const before = (await controller.revocation.publish()).epoch;
    const outcomes = await Promise.all(
      devices.map(({ id }) => controller.revocation.revoke("local", { device: id, reason: "keyCompromise" })),
    );
    const last = Math.max(...outcomes.map(({ epoch }) => epoch));
    expect(last - before).toBeLessThan(12);
    for (const [index, { epoch }] of outcomes.entries()) {
      const { serial } = parseCertificate(devices[index]?.certificate ?? new Uint8Array());
      const lists = await controller.store.transaction((tx) => listsOf(tx, controller.revocation.issuer, 0));
      const list = lists.find((one) => one.epoch <= epoch);
      expect(parseCrl(list?.der ?? new Uint8Array()).find(serial)).toBeDefined();
    }
  });
});

describe("any order of revocations, refreshes and restarts", () => {
  it("never takes the epoch back and never loses a revocation (I3)", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom("revoke", "publish", "refresh", "restart", "wait"), { minLength: 1, maxLength: 10 }),
        async (acts) => {
          let controller = await startTestController();
          const devices = [];
          for (let index = 0; index < 4; index++) devices.push(await anEnrolledDevice(controller, `edge-${index}`));
          const revoked: string[] = [];
          let highest = 0;
          for (const act of acts) {
            const next = devices[revoked.length];
            if (act === "revoke" && next !== undefined) {
              await controller.revocation.revoke("local", { device: next.id, reason: "keyCompromise" });
              revoked.push(next.id);
            }
            if (act === "publish") await controller.revocation.publishIfDue();
            if (act === "refresh") await controller.revocation.publish({ refreshAll: true });
            if (act === "restart") {
              controller = await startTestController({ world: controller.world });
              await controller.revocation.announce();
            }
            if (act === "wait") controller.world.clock.advance(hour / 2);
            if (act === "wait" || act === "restart") await controller.revocation.publishIfDue();
            if (controller.retained.size === 0) await controller.revocation.announce();
            const epoch = (await controller.store.transaction((tx) => tx.epochs.latest(controller.revocation.issuer)))
              ?.epoch;
            if (epoch === undefined) continue;
            const { head, lists } = await readPublished(controller);
            expect(head.epoch).toBeGreaterThanOrEqual(highest);
            highest = head.epoch;
            for (const id of revoked) {
              const { serial } = parseCertificate(
                devices.find((one) => one.id === id)?.certificate ?? new Uint8Array(),
              );
              expect(lists.some((list) => list.find(serial) !== undefined)).toBe(true);
            }
          }
        },
      ),
      { numRuns: 15 },
    );
  });
});
