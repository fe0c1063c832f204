import { type DesiredState, decodeEnvelope, decodeMessage, formatTopic } from "@fleetcert/proto";
import { parseCertificate } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import {
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";
import type { RotationRequest } from "./request-rotation.ts";

const minute = 60_000;
const day = 24 * 60 * minute;

async function desiredOf(controller: TestController, id: string): Promise<DesiredState> {
  await controller.outbox.drain();
  const envelope = controller.retained.get(formatTopic({ type: "desired", device: id }));
  const { body } = decodeMessage(decodeEnvelope(envelope ?? new Uint8Array()).payload);
  if (body.type !== "desired") throw new Error("not a desired state");
  return body;
}

describe("a wanted renewal", () => {
  it("is told to each device once with its window, and is over when the generation is proven", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    await anEnrolledDevice(controller, "edge-2");
    const before = await desiredOf(controller, "edge-1");
    const now = controller.world.clock.now();
    const window = { start: now, end: now + minute };
    const devices = ["edge-1", "edge-2", "edge-1"];
    const explanationUrl = "https://example.org/why";
    const request = { devices, window, isUrgent: true, explanationUrl };
    expect(await controller.inventory.requestRotation("local", request)).toEqual({
      requested: 2,
      until: now + minute,
    });
    const asked = await desiredOf(controller, "edge-1");
    expect(asked.slots[0]).toMatchObject({ renewGeneration: 2, mode: "urgent", explanationUrl });
    const other = await desiredOf(controller, "edge-2");
    const ends = [asked, other].map(({ slots: [slot] }) => slot?.windowEnd ?? 0).sort((a, b) => a - b);
    expect(ends).toEqual([now + minute / 2, now + minute]);
    expect(asked.version).toBeGreaterThan(before.version);
    await device.rotate();
    const after = await desiredOf(controller, "edge-1");
    // The next window is the ordinary one.
    expect(after.slots[0]).toMatchObject({ renewGeneration: 3, mode: "automatic", explanationUrl: "" });
    expect(after.slots[0]?.windowStart).toBeGreaterThan(now + 10 * day);
    expect(after.version).toBeGreaterThan(asked.version);
  });

  it("is asked of all or none: an unknown device or a window that ends first changes nothing", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    const before = await desiredOf(controller, "edge-1");
    const ask = (request: RotationRequest) => controller.inventory.requestRotation("local", request);
    await expect(ask({ devices: ["edge-1", "nobody"] })).rejects.toMatchObject({ code: "not-found" });
    await expect(ask({ devices: ["edge-1"], slot: "web" })).rejects.toMatchObject({ code: "not-found" });
    const window = { start: 2, end: 1 };
    await expect(ask({ devices: ["edge-1"], window })).rejects.toMatchObject({ code: "request-invalid" });
    const dry = { devices: ["edge-1"], isDryRun: true };
    expect(await ask(dry)).toMatchObject({ requested: 1 });
    await expect(ask({ ...dry, slot: "web" })).rejects.toMatchObject({ code: "not-found" });
    expect(await desiredOf(controller, "edge-1")).toEqual(before);
  });

  it("is assigned to every proven certificate, with what the profile says of its time", async () => {
    const profiles = "profiles: {device: {renewAt: 0.5, renewBefore: 3d, earliestRenewal: 10d, renewalDisabled: true}}";
    const controller = await startTestController({ profiles });
    const device = await anEnrolledDevice(controller, "edge-1");
    const { notAfter } = parseCertificate(device.certificate);
    const [slot] = (await desiredOf(controller, "edge-1")).slots;
    const now = controller.world.clock.now();
    expect(slot).toMatchObject({
      renewGeneration: 2,
      renewBefore: 3 * day,
      earliest: now + 10 * day,
      mode: "disabled",
    });
    expect(slot?.windowStart).toBeGreaterThan(now);
    expect(slot?.windowEnd).toBeLessThan(notAfter - 20 * day);
    expect(slot?.retryAfter).toBe(6 * 60 * minute);
  });

  it("reaches a device that says it has an older state, and one whose site says another maintenance window", async () => {
    const config = 'sites: {berlin: {maintenance: [{cron: "0 22 * * 6", duration: 4h, timeZone: Europe/Berlin}]}}';
    const controller = await startTestController({ config });
    const device = await anEnrolledDevice(controller, "edge-1");
    const before = await desiredOf(controller, "edge-1");
    expect(before.maintenance).toEqual([]);
    await controller.inventory.setAttributes("local", "edge-1", { site: "berlin" });
    const after = await desiredOf(controller, "edge-1");
    expect(after.maintenance).toEqual([{ cron: "0 22 * * 6", duration: 4 * 60 * minute, timeZone: "Europe/Berlin" }]);
    expect(after.version).toBe(before.version + 1);
    controller.retained.clear();
    // It reports desired version 1.
    await device.report({ generation: 1, journal: "idle" });
    expect(await desiredOf(controller, "edge-1")).toEqual(after);
  });

  it("is told anew under a later version when the configuration says something else after a restart", async () => {
    const first = await startTestController();
    const device = await anEnrolledDevice(first, "edge-1");
    const before = await desiredOf(first, "edge-1");
    const { world } = first;
    const second = await startTestController({ world, profiles: "profiles: {device: {renewBefore: 5d}}" });
    device.controller = second;
    await second.events.sessionChanged({ peer: await device.connect(), connected: true });
    const after = await desiredOf(second, "edge-1");
    expect(after.slots[0]?.renewBefore).toBe(5 * day);
    expect(after.version).toBe(before.version + 1);
  });
});

describe("the registry", () => {
  it("keeps attributes that are not named, and audits who changed what", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    const { setAttributes } = controller.inventory;
    await setAttributes("operator:alice", "edge-1", { site: "berlin", tags: ["a", "b"] });
    const device = await setAttributes("operator:bob", "edge-1", { owner: "team-7" });
    expect(device.attributes).toMatchObject({ site: "berlin", owner: "team-7", tags: ["a", "b"] });
    const audit = await controller.store.transaction((tx) => tx.audit.list(1, 1000));
    const actors = audit.filter(({ action }) => action === "device.changed").map(({ actor }) => actor);
    expect(actors).toEqual(["operator:alice", "operator:bob"]);
    await expect(setAttributes("local", "nobody", {})).rejects.toMatchObject({ code: "not-found" });
  });

  it("tells a device that comes back what it may have missed, and knows who is connected", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const peer = await device.connect();
    controller.retained.clear();
    await controller.events.sessionChanged({ peer, connected: true });
    await controller.events.sessionChanged({ peer, connected: true });
    expect((await desiredOf(controller, "edge-1")).version).toBeGreaterThan(0);
    await controller.events.sessionChanged({ peer, connected: false });
    expect([...controller.inventory.connected()]).toEqual(["edge-1"]);
    await controller.events.sessionChanged({ peer, connected: false });
    expect(controller.inventory.connected().size).toBe(0);
  });

  it("lets nobody reinstate a device that is not suspended, or is retired", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    const { suspend } = controller.revocation;
    const reinstate = (actor: string, device: string) =>
      controller.revocation.reinstate(actor, { device, onlyHolds: false });
    await expect(reinstate("operator:alice", "edge-1")).rejects.toMatchObject({ code: "conflict" });
    await controller.revocation.retire("local", "edge-1");
    await expect(reinstate("operator:alice", "edge-1")).rejects.toMatchObject({ code: "device-retired" });
    await expect(suspend("operator:alice", "edge-1", "late")).rejects.toMatchObject({ code: "device-retired" });
    expect(await desiredOf(controller, "edge-1")).toMatchObject({ retire: true });
  });
});
