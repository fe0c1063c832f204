import { parseCertificate } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import {
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { readPublished } from "../../../test/support/revocation/published-revocation.ts";

const hold = "certificateHold";

describe("putting a device on hold", () => {
  it("blocks it like a revocation, and undoing that lets it back with the certificate it had", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    await device.rotate();
    const outcome = await controller.revocation.revoke("local", { device: "edge-1", reason: hold });
    expect(outcome.plan.certificates).toHaveLength(2);
    await expect(device.connect()).rejects.toMatchObject({ code: "device-suspended" });
    const { serial } = parseCertificate(device.certificate);
    const held = (await readPublished(controller)).lists[0];
    expect(held?.find(serial)?.reason).toBe(hold);

    await undo(controller, "edge-1");
    expect(await device.connect()).toMatchObject({ type: "operational" });
    expect((await readPublished(controller)).lists[0]?.entryCount).toBe(0);
    expect((await statesOf(controller, "edge-1")).slice(0, 1)).toEqual(["proven"]);
    expect(await device.rotate()).toMatchObject({ type: "confirmed" });
  });

  it("gives no certificate meanwhile, and counts what is held against the two of a slot (I5, I7)", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    await controller.revocation.revoke("local", { device: "edge-1", reason: hold });
    const peer = await device.connectBootstrap();
    expect(await device.askRenewal(testSigner("P-256"), 2, { peer })).toMatchObject({ code: "device-suspended" });
    expect(await statesOf(controller, "edge-1")).toEqual(["revoked"]);
  });

  it("may become final, and then cannot be undone", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    await controller.revocation.revoke("local", { device: "edge-1", reason: hold });
    await controller.revocation.revoke("local", { device: "edge-1", reason: "keyCompromise" });
    const { serial } = parseCertificate(device.certificate);
    expect((await readPublished(controller)).lists[0]?.find(serial)?.reason).toBe("keyCompromise");
    await expect(undo(controller, "edge-1")).rejects.toMatchObject({ code: "conflict" });
    await controller.revocation.reinstate("local", { device: "edge-1", onlyHolds: false });
    await expect(device.connect()).rejects.toBeDefined();
    expect(await statesOf(controller, "edge-1")).toEqual(["revoked"]);
  });

  it("is all that can be undone: not a revocation, not a suspension, not a certificate in force", async () => {
    const controller = await startTestController();
    for (const id of ["edge-1", "edge-2", "edge-3"]) await anEnrolledDevice(controller, id);
    await controller.revocation.revoke("local", { device: "edge-1", reason: "superseded" });
    await controller.revocation.suspend("local", "edge-2", "lost");
    for (const id of ["edge-1", "edge-2", "edge-3"]) {
      await expect(undo(controller, id)).rejects.toMatchObject({ code: "conflict" });
    }
  });

  it("of one certificate leaves the device its other ones", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const first = parseCertificate(device.certificate).serial.hex;
    await device.rotate();
    await controller.revocation.revoke("local", { serial: first, reason: hold });
    expect(await device.connect()).toMatchObject({ type: "operational" });
    await controller.revocation.reinstate("local", { serial: first, onlyHolds: true });
    expect((await readPublished(controller)).lists[0]?.entryCount).toBe(0);
    await expect(controller.revocation.reinstate("local", { serial: first, onlyHolds: true })).rejects.toMatchObject({
      code: "conflict",
    });
  });
});

describe("the controller's own suspensions", () => {
  it("end at a bound within the hour, so that nobody can make it block the fleet, and then tell a person", async () => {
    const controller = await startTestController({ config: "bounds: {suspendByMachine: 2}" });
    for (let index = 0; index < 4; index++) await anEnrolledDevice(controller, `edge-${index}`);
    const suspend = (index: number) => controller.inventory.suspendSuspect(`edge-${index}`, "clone suspected");
    expect([await suspend(0), await suspend(1), await suspend(2)]).toEqual([true, true, false]);
    expect(controller.notices).toContainEqual(expect.objectContaining({ name: "suspension.withheld" }));
    const audit = await controller.store.transaction((tx) => tx.audit.list(1, 1000));
    expect(audit.filter(({ action }) => action === "suspension.withheld")).toMatchObject([
      { actor: "controller", target: "edge-2", outcome: "failure" },
    ]);
    // One that is suspended already costs nothing.
    expect(await suspend(0)).toBe(true);
    controller.world.clock.advance(3_600_001);
    expect(await suspend(2)).toBe(true);
  });
});

const undo = (controller: TestController, device: string) =>
  controller.revocation.reinstate("local", { device, onlyHolds: true });

async function statesOf({ store }: TestController, device: string): Promise<string[]> {
  return (await store.transaction((tx) => tx.certificates.listOf(device))).map(({ state }) => state);
}
