import { type DesiredState, decodeEnvelope, decodeMessage, formatTopic } from "@fleetcert/proto";
import { describe, expect, it } from "vitest";
import {
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";

const hour = 3_600_000;
const day = 24 * hour;
/** Between two rounds; far less in truth. */
const step = hour / 4;

async function session(controller: TestController, device: string, connected: boolean): Promise<void> {
  const peer = { type: "operational", device, certificateSha256: "" } as const;
  await controller.events.sessionChanged({ peer, connected });
}

/** Days on which the device is there for an hour, and away else; the controller makes its rounds all the time. */
async function liveOn(controller: TestController, device: string, days: number): Promise<void> {
  for (let passed = 0; passed < days; passed++) {
    await session(controller, device, true);
    await pass(controller, hour);
    await session(controller, device, false);
    await pass(controller, 23 * hour);
  }
}

async function pass(controller: TestController, time: number): Promise<void> {
  for (let left = time; left > 0; left -= step) {
    controller.world.clock.advance(Math.min(left, step));
    await controller.inventory.followContacts();
  }
}

const deviceOf = async ({ world }: TestController, id: string) =>
  await world.store.transaction((tx) => tx.devices.find(id));
const classOf = async (controller: TestController, id: string) => {
  const { connectivity, connectivityBy } = (await deviceOf(controller, id))?.attributes ?? {};
  return [connectivity, connectivityBy];
};

async function windowStartOf(controller: TestController, id: string): Promise<number> {
  await controller.outbox.drain();
  const envelope = controller.retained.get(formatTopic({ type: "desired", device: id }));
  const { body } = decodeMessage(decodeEnvelope(envelope ?? new Uint8Array()).payload);
  return (body as DesiredState).slots[0]?.windowStart ?? 0;
}

describe("the class of a device that nobody said one of", () => {
  it("follows from its contacts, is told with another window, and is in the audit once", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    expect(await classOf(controller, "edge-1")).toEqual(["always", "computed"]);
    const before = await windowStartOf(controller, "edge-1");
    await liveOn(controller, "edge-1", 6);
    expect(await classOf(controller, "edge-1")).toEqual(["daily", "computed"]);
    expect(await windowStartOf(controller, "edge-1")).not.toBe(before);
    const changes = (await controller.world.store.transaction((tx) => tx.audit.list(1, 100_000))).filter(
      ({ action }) => action === "device.classified",
    );
    expect(changes.map(({ target, details }) => [target, JSON.parse(details)])).toEqual([
      ["edge-1", { from: "always", to: "daily" }],
    ]);
  });

  it("gets worse while it is away, without a word of its own", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    await session(controller, "edge-1", true);
    await pass(controller, 4 * day);
    await session(controller, "edge-1", false);
    await pass(controller, 20 * day);
    expect(await classOf(controller, "edge-1")).toEqual(["rare", "computed"]);
  });

  it("is not the worse for a controller that was away", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    await session(controller, "edge-1", true);
    await pass(controller, 5 * day);
    await session(controller, "edge-1", false);
    controller.world.clock.advance(10 * day);
    await pass(controller, hour / 2);
    await session(controller, "edge-1", true);
    expect(await classOf(controller, "edge-1")).toEqual(["always", "computed"]);
  });
});

describe("a class that a person said", () => {
  it("wins over contacts, by device or by claim, until it is to be computed again", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    await controller.inventory.setAttributes("local", "edge-1", { connectivity: "rare", site: "berlin" });
    await liveOn(controller, "edge-1", 6);
    expect(await classOf(controller, "edge-1")).toEqual(["rare", "set"]);
    await controller.inventory.setAttributes("local", "edge-1", { site: "hamburg" });
    expect(await classOf(controller, "edge-1")).toEqual(["rare", "set"]);
    await controller.inventory.setAttributes("local", "edge-1", { connectivity: "computed" });
    expect(await classOf(controller, "edge-1")).toEqual(["daily", "computed"]);
    const request = { maxUses: 1, validFor: day };
    const claimed = await controller.enrolment.createClaim("local", {
      ...request,
      attributes: { connectivity: "daily" },
    });
    expect(claimed.claim.attributes.connectivityBy).toBe("set");
    const silent = await controller.enrolment.createClaim("local", { ...request, attributes: { site: "berlin" } });
    expect(silent.claim.attributes).toMatchObject({ connectivity: "always", connectivityBy: "computed" });
  });
});
