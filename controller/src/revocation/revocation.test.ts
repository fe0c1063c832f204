import type { RevocationHead } from "@fleetcert/proto";
import { parseCertificate, validatePath } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { anOperator } from "../../../test/contracts/store-records.ts";
import { aDevice, anEnrolledDevice, startTestController } from "../../../test/support/controller/controller.ts";
import { readPublished } from "../../../test/support/revocation/published-revocation.ts";

const hour = 3_600_000;

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
    expect(outcome).toMatchObject({
      droppedSessions: 1,
      plan: { devices: ["edge-1"], suspends: true, impact: { offline: 1 } },
    });
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
      [{ device: "edge-1", reason: "removeFromCRL" }, "request-invalid"],
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

  it("takes a lot by its tag, the devices of a claim, and what a file lists", async () => {
    const controller = await startTestController();
    const ids = ["edge-0", "edge-1", "edge-2", "edge-3"];
    const devices = [];
    for (const id of ids) devices.push(await anEnrolledDevice(controller, id));
    for (const id of ids.slice(0, 2)) await controller.inventory.setAttributes("local", id, { tags: ["x", "lot:7"] });
    const plan = async (selection: object) =>
      (await controller.revocation.plan("local", { ...selection, reason: "superseded" })).devices;
    expect(await plan({ batch: "7" })).toEqual(["edge-0", "edge-1"]);
    const record = await controller.store.transaction((tx) => tx.devices.find("edge-3"));
    expect(await plan({ batch: record?.claimId ?? "" })).toEqual(["edge-3"]);
    const serial = parseCertificate(devices[2]?.certificate ?? new Uint8Array()).serial.hex;
    expect(await plan({ listed: { devices: ["edge-1", "edge-1"], serials: [serial] } })).toEqual(["edge-1", "edge-2"]);
    await expect(plan({ batch: "8" })).rejects.toMatchObject({ code: "not-found" });
    await expect(plan({ batch: "7", device: "edge-0" })).rejects.toMatchObject({ code: "request-invalid" });
    await expect(plan({ filter: "nonsense=1" })).rejects.toMatchObject({ code: "filter-invalid" });
  });

  it("shows whom it would lock out, operators among them", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-0");
    const { serial, sha256 } = parseCertificate(device.certificate);
    await controller.store.transaction(async (tx) => {
      const certificate = await tx.certificates.find(sha256);
      if (certificate === undefined) throw new Error("not kept");
      await tx.certificates.put({ ...certificate, device: "" });
      await tx.operators.put(anOperator({ name: "alice", certificateSha256: sha256 }));
    });
    const { impact } = await controller.revocation.plan("local", { serial: serial.hex, reason: "superseded" });
    expect(impact.lockedOut).toEqual({ devices: 0, operators: ["alice"], controller: [] });
    expect(impact.crlBytes).toBeGreaterThan(35);
    expect(impact.snapshotBytes).toBeGreaterThanOrEqual(0);
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
    expect(propagation).toMatchObject({ epoch, expected: 3, acknowledged: 2, waiting: ["edge-3"], via: { mqtt: 2 } });
    expect(propagation.curve.map(({ acknowledged }) => acknowledged)).toEqual([1, 2]);
    expect(propagation.max).toBe(propagation.p99);
    expect(propagation.laggards).toMatchObject([{ connectivity: "always", count: 1, devices: [{ id: "edge-3" }] }]);
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
