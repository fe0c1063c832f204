import { describe, expect, it } from "vitest";
import {
  aDevice,
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";
import { testSigner } from "../../../test/support/keys/test-signer.ts";

const hour = 3_600_000;

async function aRevokedDevice(): Promise<{
  readonly controller: TestController;
  readonly device: Awaited<ReturnType<typeof anEnrolledDevice>>;
}> {
  const controller = await startTestController();
  const device = await anEnrolledDevice(controller, "edge-1");
  await controller.revocation.revoke("local", { device: "edge-1", reason: "keyCompromise" });
  await controller.revocation.reinstate("operator:alice", { device: "edge-1", onlyHolds: false });
  return { controller, device };
}

const permit = (controller: TestController) => controller.enrolment.permitReenrolment("operator:alice", "edge-1", hour);

describe("a permission to enrol anew", () => {
  it("is for devices that had a credential and are not blocked", async () => {
    const controller = await startTestController();
    await expect(permit(controller)).rejects.toMatchObject({ code: "not-found" });
    await anEnrolledDevice(controller, "edge-1");
    await controller.revocation.suspend("local", "edge-1", "stolen");
    await expect(permit(controller)).rejects.toMatchObject({
      code: "device-suspended",
      hint: expect.stringContaining("reinstate edge-1"),
    });
    await controller.revocation.retire("local", "edge-1");
    await expect(permit(controller)).rejects.toMatchObject({ code: "device-retired" });
  });

  it("admits a new key once, for one generation above all there were", async () => {
    const { controller, device } = await aRevokedDevice();
    const { claimString, generation } = await permit(controller);
    expect(generation).toBe(2);
    device.key = testSigner("P-256");
    expect(await device.enrol(claimString, { generation: 1 })).toMatchObject({ code: "generation-conflict" });
    const issued = await device.enrol(claimString, { generation: 2 });
    expect(issued).toMatchObject({ type: "issued", generation: 2 });
    expect(await device.enrol(claimString, { generation: 2 })).toEqual(issued);
    device.generation = 2;
    expect(await device.activate()).toMatchObject({ type: "confirmed" });
    device.key = testSigner("P-256");
    expect(await device.enrol(claimString, { generation: 3 })).toMatchObject({ code: "claim-invalid" });
  });

  it("takes no key that was certified before (I7), and counts no use for it", async () => {
    const { controller, device } = await aRevokedDevice();
    const { claimString, claim } = await permit(controller);
    // A known key is judged by its certificate first: it is revoked.
    expect(await device.enrol(claimString, { generation: 2 })).toMatchObject({ code: "credential-revoked" });
    expect((await controller.store.transaction((tx) => tx.claims.find(claim.id)))?.uses).toBe(0);
  });

  it("is no right for another device, nor for one that is new", async () => {
    const { controller } = await aRevokedDevice();
    const { claimString } = await permit(controller);
    for (const [id, code] of [
      ["edge-2", "claim-invalid"],
      ["edge-3", "claim-invalid"],
    ] as const) {
      const other = id === "edge-2" ? await anEnrolledDevice(controller, id) : aDevice(controller, id);
      other.key = testSigner("P-256");
      const answer = await other.enrol(claimString, { generation: 2 });
      expect([id, answer]).toMatchObject([id, { type: "refused" }]);
      expect([code, "device-exists"]).toContain((answer as { code: string }).code);
    }
  });

  it("ends when the device is blocked again, and when another is given", async () => {
    const { controller, device } = await aRevokedDevice();
    const first = await permit(controller);
    const second = await permit(controller);
    const isOpen = async (id: string) =>
      (await controller.store.transaction((tx) => tx.claims.find(id)))?.revokedAt === undefined;
    expect([await isOpen(first.claim.id), await isOpen(second.claim.id)]).toEqual([false, true]);
    await controller.revocation.suspend("local", "edge-1", "again");
    expect(await isOpen(second.claim.id)).toBe(false);
    await controller.revocation.reinstate("operator:alice", { device: "edge-1", onlyHolds: false });
    device.key = testSigner("P-256");
    await expect(device.enrol(second.claimString, { generation: 2 })).rejects.toMatchObject({
      code: "unauthenticated",
    });
  });

  it("expires", async () => {
    const { controller, device } = await aRevokedDevice();
    const { claimString } = await permit(controller);
    controller.world.clock.advance(2 * hour);
    device.key = testSigner("P-256");
    expect(await device.enrol(claimString, { generation: 2 })).toMatchObject({ code: "claim-invalid" });
  });
});
