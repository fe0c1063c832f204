import { parseCertificate } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import {
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";
import { readPublished } from "../../../test/support/revocation/published-revocation.ts";
import { liftHold, type RevocationCause, recordRevocation } from "./record-revocation.ts";

const day = 24 * 3_600_000;

async function begin(config = "") {
  const controller = await startTestController({ config });
  const { certificate } = await anEnrolledDevice(controller, "edge-1");
  const { serial } = parseCertificate(certificate);
  const { issuer } = controller.revocation;
  const act = {
    async record(cause: Omit<RevocationCause, "at">) {
      const at = controller.world.clock.now();
      return await controller.store.transaction(async (tx) => {
        const found = await tx.certificates.findBySerial(issuer, serial.hex);
        return found !== undefined && (await recordRevocation(tx, found, { ...cause, at }));
      });
    },
    lift: () =>
      controller.store.transaction((tx) =>
        liftHold(tx, { issuer, serial: serial.hex, at: controller.world.clock.now() }),
      ),
    async listed() {
      await controller.revocation.publish();
      return (await readPublished(controller)).lists[0]?.find(serial);
    },
  };
  return { controller, serial, act };
}

describe("a recorded revocation", () => {
  it("on hold stands on the list and in the snapshot until it is lifted, then on neither", async () => {
    const { controller, serial, act } = await begin();
    await act.record({ reason: "certificateHold" });
    expect(await act.listed()).toMatchObject({ reason: "certificateHold" });
    expect(await snapshotHas(controller, serial.index)).toBe(true);
    await act.lift();
    expect(await act.listed()).toBeUndefined();
    expect(await snapshotHas(controller, serial.index)).toBe(false);
  });

  it("may be held again after it was lifted, and made final from the day the hold began", async () => {
    const { controller, act } = await begin();
    await act.record({ reason: "certificateHold" });
    await act.lift();
    controller.world.clock.advance(day);
    const heldAgain = controller.world.clock.now();
    expect(await act.record({ reason: "certificateHold" })).toBe(true);
    controller.world.clock.advance(day);
    expect(await act.record({ reason: "keyCompromise" })).toBe(true);
    expect(await act.listed()).toMatchObject({ reason: "keyCompromise", revokedAt: heldAgain });
    await expect(act.lift()).rejects.toMatchObject({ code: "conflict" });
  });

  it("that is final stays as it is", async () => {
    const { act } = await begin();
    await act.record({ reason: "superseded" });
    expect(await act.record({ reason: "certificateHold" })).toBe(false);
    expect(await act.record({ reason: "keyCompromise" })).toBe(false);
    expect(await act.listed()).toMatchObject({ reason: "superseded" });
  });

  it("tells since when the key may have been another's", async () => {
    const { controller, act } = await begin();
    const invalidityDate = controller.world.clock.now() - 3 * day;
    await act.record({ reason: "keyCompromise", invalidityDate });
    expect(await act.listed()).toMatchObject({ reason: "keyCompromise", invalidityDate });
  });

  it("lifted while a list is being signed is left out by the next one", async () => {
    const { controller, act } = await begin();
    await act.record({ reason: "certificateHold" });
    const publishing = controller.revocation.publish();
    await act.lift();
    await publishing;
    expect(await act.listed()).toBeUndefined();
  });

  it("stays until a list was made after its certificate's end, however long that takes", async () => {
    const { controller, act } = await begin("renewAfterExpiry: 1s\nrevocation: {crlRefresh: 400d}");
    await act.record({ reason: "keyCompromise" });
    await act.listed();
    controller.world.clock.advance(95 * day);
    await controller.revocation.publish({ refreshAll: true });
    const { lists } = await readPublished(controller);
    expect(lists[0]?.entryCount).toBe(1);
    controller.world.clock.advance(2 * day);
    await controller.revocation.publish({ refreshAll: true });
    expect((await readPublished(controller)).lists[0]?.entryCount).toBe(0);
  });
});

async function snapshotHas(controller: TestController, index = -1): Promise<boolean> {
  const { snapshots } = await readPublished(controller);
  return snapshots[0]?.has(index) ?? false;
}
