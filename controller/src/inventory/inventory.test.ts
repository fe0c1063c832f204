import { type DesiredState, decodeEnvelope, decodeMessage, formatTopic } from "@fleetcert/proto";
import { parseCertificate } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { anEnrolledDevice, startTestController, type TestController } from "../../../test/support/controller.ts";

const minute = 60_000;

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
    expect(await controller.inventory.requestRenewal("local", ["edge-1", "edge-2", "edge-1"], window)).toBe(2);
    const asked = await desiredOf(controller, "edge-1");
    expect(asked.slots[0]).toMatchObject({ renewGeneration: 2, windowStart: window.start, windowEnd: window.end });
    expect(asked.version).toBeGreaterThan(before.version);
    await device.rotate();
    const after = await desiredOf(controller, "edge-1");
    expect(after.slots[0]).toMatchObject({ renewGeneration: 0 });
    expect(after.version).toBeGreaterThan(asked.version);
  });

  it("is asked of all or none: an unknown device or a window that ends first changes nothing", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    const before = await desiredOf(controller, "edge-1");
    const { requestRenewal } = controller.inventory;
    await expect(requestRenewal("local", ["edge-1", "nobody"])).rejects.toMatchObject({ code: "not-found" });
    const backwards = { start: 2, end: 1 };
    await expect(requestRenewal("local", ["edge-1"], backwards)).rejects.toMatchObject({ code: "request-invalid" });
    expect(await desiredOf(controller, "edge-1")).toEqual(before);
  });

  it("comes from the profile when it renews at another time than devices plan by themselves", async () => {
    const controller = await startTestController({ profiles: "profiles: {device: {renewAt: 0.5}}" });
    const device = await anEnrolledDevice(controller, "edge-1");
    const { notBefore, notAfter } = parseCertificate(device.certificate);
    const [slot] = (await desiredOf(controller, "edge-1")).slots;
    expect(slot).toMatchObject({ renewGeneration: 2, windowStart: notBefore + (notAfter - notBefore) / 2 });
    expect(slot?.windowEnd).toBeLessThan(notBefore + ((notAfter - notBefore) * 2) / 3);
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
    const { reinstate, suspend } = controller.inventory;
    await expect(reinstate("operator:alice", "edge-1")).rejects.toMatchObject({ code: "conflict" });
    await controller.revocation.retire("local", "edge-1");
    await expect(reinstate("operator:alice", "edge-1")).rejects.toMatchObject({ code: "device-retired" });
    await expect(suspend("operator:alice", "edge-1", "late")).rejects.toMatchObject({ code: "device-retired" });
    expect(await desiredOf(controller, "edge-1")).toMatchObject({ retire: true });
  });
});
