import {
  decodeEnvelope,
  decodeMessage,
  formatTopic,
  type HeadShard,
  joinParts,
  type Message,
  parseTopic,
  type RevocationHead,
} from "@fleetcert/proto";
import { parseCertificate, parseCrl, sha256Hex, validatePath, verifyCrl } from "@fleetcert/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  aDevice,
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller.ts";
import { memoryStore } from "../adapters/store/memory/memory-store.ts";
import type { Store } from "../store-port.ts";

const hour = 3_600_000;

/** What an agent reads from the retained topics: the head, and each shard's list joined from its parts. */
async function readPublished(controller: TestController) {
  await controller.outbox.drain();
  const { issuer } = controller.revocation;
  const message = openHead(controller.retained.get(formatTopic({ type: "head", issuer })));
  const head = message.body as RevocationHead;
  const lists = head.shards.map((shard) => listOf(controller, issuer, shard));
  return { message, head, lists };
}

function openHead(envelope: Uint8Array | undefined): Message {
  if (envelope === undefined) throw new Error("no head is retained");
  return decodeMessage(decodeEnvelope(envelope).payload);
}

function listOf(controller: TestController, issuer: string, { shard, crlEpoch, crlLength, crlSha256 }: HeadShard) {
  const parts: Uint8Array[] = [];
  for (let part = 0; ; part++) {
    const topic = formatTopic({ type: "crl-part", issuer, shard, epoch: crlEpoch, part });
    const payload = controller.retained.get(topic);
    if (payload === undefined) break;
    parts.push(payload);
  }
  const der = joinParts(parts, crlLength);
  expect(sha256Hex(der)).toBe(Buffer.from(crlSha256).toString("hex"));
  const crl = parseCrl(der);
  verifyCrl({ crl, issuer: parseCertificate(controller.world.pki.issuing.der), at: controller.world.clock.now() });
  return crl;
}

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

describe("retiring a device", () => {
  it("succeeds also after everything it had was revoked", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    await controller.revocation.revoke("local", { device: "edge-1", reason: "keyCompromise" });
    const { plan } = await controller.revocation.retire("local", "edge-1");
    expect(plan.certificates).toEqual([]);
    const device = await controller.store.transaction((tx) => tx.devices.find("edge-1"));
    expect(device?.state).toBe("retired");
  });
});

describe("revoking a device", () => {
  it("suspends it, drops its session, and publishes lists that name every certificate of it", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const other = await anEnrolledDevice(controller, "edge-2");
    await device.rotate();
    const outcome = await controller.revocation.revoke("local", { device: "edge-1", reason: "keyCompromise" });
    expect(outcome).toMatchObject({ droppedSessions: 1, plan: { devices: ["edge-1"], suspends: true, offline: 1 } });
    await expect(device.connect()).rejects.toMatchObject({ code: "device-suspended" });
    const { head, lists } = await readPublished(controller);
    expect(head.epoch).toBe(outcome.epoch);
    expect(lists[0]?.entryCount).toBe(2);
    expect(lists[0]?.find(parseCertificate(device.certificate).serial)?.reason).toBe("keyCompromise");
    const { pki, clock } = controller.world;
    const question = {
      intermediates: [pki.issuing.der],
      roots: [pki.root.der],
      at: clock.now(),
      purpose: "clientAuth",
    } as const;
    const crls = { lists, requireFor: "leaf" } as const;
    expect(() => validatePath({ ...question, leaf: device.certificate, crls })).toThrow();
    expect(validatePath({ ...question, leaf: other.certificate, crls }).path).toHaveLength(3);
  });

  it("lets it come back by no way: not with another claim, not by its key, not under another name (I7)", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    await controller.revocation.revoke("local", { device: "edge-1", reason: "keyCompromise" });
    const { claimString } = await controller.enrolment.createClaim("local", { maxUses: 5, validFor: hour });
    expect(await aDevice(controller, "edge-1").enrol(claimString)).toMatchObject({ code: "device-suspended" });
    const bootstrap = await device.connectBootstrap();
    expect(await device.ask({ type: "time-request" }, { peer: bootstrap })).toMatchObject({ code: "device-suspended" });
    const renamed = aDevice(controller, "edge-9");
    renamed.key = device.key;
    expect(await renamed.enrol(claimString)).toMatchObject({ type: "refused", code: "device-suspended" });
  });

  it("blocks its token too: another name with the same token is refused, another token is not", async () => {
    const controller = await startTestController();
    const { claimString } = await controller.enrolment.createClaim("local", { maxUses: 5, validFor: hour });
    await aDevice(controller, "edge-1").enrol(claimString, { tokenSerial: "T-1" });
    await controller.revocation.revoke("local", { device: "edge-1", reason: "privilegeWithdrawn" });
    expect(await aDevice(controller, "edge-2").enrol(claimString, { tokenSerial: "T-1" })).toMatchObject({
      code: "device-suspended",
    });
    expect(await aDevice(controller, "edge-3").enrol(claimString, { tokenSerial: "T-2" })).toMatchObject({
      type: "issued",
    });
  });
});

describe("revoking one certificate", () => {
  it("ends that certificate only, unless its key is compromised", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const first = parseCertificate(device.certificate).serial.hex;
    await device.rotate();
    const outcome = await controller.revocation.revoke("local", { serial: first, reason: "superseded" });
    expect(outcome.plan).toMatchObject({ suspends: false, devices: ["edge-1"] });
    expect(await device.connect()).toMatchObject({ type: "operational" });
    const second = parseCertificate(device.certificate).serial.hex;
    await controller.revocation.revoke("local", { serial: second.toUpperCase(), reason: "keyCompromise" });
    await expect(device.connect()).rejects.toMatchObject({ code: "device-suspended" });
  });

  it("says what is wrong with a selection, and changes nothing", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    const cases = [
      [{ device: "nobody", reason: "keyCompromise" }, "not-found"],
      [{ serial: "0123", reason: "keyCompromise" }, "not-found"],
      [{ serial: "xyz", reason: "keyCompromise" }, "request-invalid"],
      [{ device: "edge-1", reason: "because" }, "request-invalid"],
      [{ device: "edge-1", reason: "certificateHold" }, "request-invalid"],
      [{ reason: "keyCompromise" }, "request-invalid"],
    ] as const;
    for (const [selection, code] of cases) {
      await expect(controller.revocation.revoke("local", selection)).rejects.toMatchObject({ code });
    }
    await expect(
      controller.revocation.plan("local", { device: "edge-1", reason: "superseded" }),
    ).resolves.toMatchObject({
      certificates: [expect.objectContaining({ generation: 1 })],
    });
    expect((await readPublished(controller)).lists).toEqual([]);
  });

  it("is bounded for one person within 24 hours, however the work is split (I14)", async () => {
    const controller = await startTestController({ config: "bounds: {revokeAlone: 2}" });
    for (let index = 0; index < 5; index++) await anEnrolledDevice(controller, `edge-${index}`);
    const revoke = (index: number, actor: string) =>
      controller.revocation.revoke(actor, { device: `edge-${index}`, reason: "keyCompromise" });
    const results = await Promise.allSettled([0, 1, 2, 3].map((index) => revoke(index, "operator:alice")));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
    expect(results.find(({ status }) => status === "rejected")).toMatchObject({
      reason: { code: "second-person-required" },
    });
    await expect(revoke(4, "operator:bob")).resolves.toBeDefined();
    controller.world.clock.advance(25 * hour);
    const left = await controller.store.transaction(async (tx) => (await tx.devices.countByState()).active);
    expect(left).toBe(2);
  });
});

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
      const lists = await controller.store.transaction((tx) => tx.crls.listOf(controller.revocation.issuer, 0, 20));
      const list = lists.find((one) => one.epoch <= epoch);
      expect(parseCrl(list?.der ?? new Uint8Array()).find(serial)).toBeDefined();
    }
  });
});

describe("an acknowledgement", () => {
  const ackOf = (head: RevocationHead, headSha256: string) =>
    ({
      type: "ack",
      issuer: head.issuer,
      era: head.era,
      epoch: head.epoch,
      headSha256: Buffer.from(headSha256, "hex"),
      appliedAt: 0,
      via: "mqtt",
    }) as const;

  it("counts towards the propagation of the revocation, once a device", async () => {
    const controller = await startTestController();
    const devices = [];
    for (let index = 0; index < 4; index++) devices.push(await anEnrolledDevice(controller, `edge-${index}`));
    const { epoch } = await controller.revocation.revoke("local", { device: "edge-0", reason: "keyCompromise" });
    const { head } = await readPublished(controller);
    const { headSha256 } = (await controller.store.transaction((tx) => tx.epochs.find(head.issuer, epoch))) ?? {
      headSha256: "",
    };
    for (const device of devices.slice(1, 3)) {
      controller.world.clock.advance(1000);
      expect(await device.ask(ackOf(head, headSha256))).toEqual({ type: "received" });
      expect(await device.ask(ackOf(head, headSha256))).toEqual({ type: "received" });
    }
    const propagation = await controller.revocation.propagation();
    expect(propagation).toMatchObject({ epoch, expected: 3, acknowledged: 2, waiting: ["edge-3"] });
    expect(propagation.p50).toBeGreaterThan(980);
    expect(propagation.p50).toBeLessThan(1020);
    expect(propagation.p95).toBeGreaterThan(1960);
    expect(await devices[3]?.ask(ackOf(head, "0".repeat(64)))).toMatchObject({ code: "revocation-invalid" });
    expect(await devices[3]?.ask(ackOf({ ...head, epoch: 99 }, headSha256))).toMatchObject({
      code: "revocation-invalid",
    });
  });

  it("of an older epoch than before reopens it and is noticed", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    await anEnrolledDevice(controller, "edge-2");
    const heads: Parameters<typeof ackOf>[] = [];
    for (const id of [undefined, "edge-2"]) {
      if (id === undefined) await controller.revocation.publish();
      else await controller.revocation.revoke("local", { device: id, reason: "keyCompromise" });
      const { head } = await readPublished(controller);
      const row = await controller.store.transaction((tx) => tx.epochs.find(head.issuer, head.epoch));
      heads.push([head, row?.headSha256 ?? ""]);
    }
    const [older, newer] = heads as [Parameters<typeof ackOf>, Parameters<typeof ackOf>];
    await device.ask(ackOf(...newer));
    expect(await controller.revocation.propagation()).toMatchObject({ acknowledged: 1, waiting: [] });
    await device.ask(ackOf(...older));
    expect(await controller.revocation.propagation()).toMatchObject({ acknowledged: 0, waiting: ["edge-1"] });
    expect(controller.notices).toContainEqual(expect.objectContaining({ name: "epoch.regressed" }));
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
