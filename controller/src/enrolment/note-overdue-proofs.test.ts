import { describe, expect, it } from "vitest";
import {
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";
import { testSigner } from "../../../test/support/keys/test-signer.ts";

const minute = 60_000;

async function noted(controller: TestController) {
  const audit = await controller.store.transaction((tx) => tx.audit.list(1, 1000));
  return audit.filter(({ action }) => action === "certificate.unproven");
}

describe("a certificate that nobody proves", () => {
  it("is noted once when its time is over, with the generation that is missing", async () => {
    const controller = await startTestController({ config: "proveWithin: 30m" });
    const device = await anEnrolledDevice(controller, "edge-1");
    await device.askRenewal(testSigner("P-256"));
    controller.world.clock.advance(29 * minute);
    expect(await controller.enrolment.noteOverdueProofs()).toBe(0);
    controller.world.clock.advance(minute);
    expect(await controller.enrolment.noteOverdueProofs()).toBe(1);
    expect(await controller.enrolment.noteOverdueProofs()).toBe(0);
    const [entry, ...more] = await noted(controller);
    expect(more).toEqual([]);
    expect(entry).toMatchObject({ target: "edge-1", actor: "controller", outcome: "failure" });
    expect(JSON.parse(entry?.details ?? "{}")).toMatchObject({ slot: "identity", generation: "2" });
    const notices = controller.notices.filter(({ name }) => name === "certificate.not-proven");
    expect(notices).toHaveLength(1);
  });

  it("is not noted when the proof came in time, nor counted any more once it came late", async () => {
    const controller = await startTestController({ config: "proveWithin: 30m" });
    const device = await anEnrolledDevice(controller, "edge-1");
    const late = await anEnrolledDevice(controller, "edge-2");
    const key = testSigner("P-256");
    const issued = await late.askRenewal(key);
    await device.rotate();
    controller.world.clock.advance(31 * minute);
    expect(await controller.enrolment.noteOverdueProofs()).toBe(1);
    expect((await noted(controller)).map(({ target }) => target)).toEqual(["edge-2"]);
    if (issued.type !== "issued") throw new Error("not issued");
    late.take(key, issued);
    await late.activate();
    await controller.enrolment.noteOverdueProofs();
    expect(await controller.store.transaction((tx) => tx.awaitedProofs.listNoted({ limit: 9 }))).toEqual([]);
  });

  it("is forgotten when it was replaced or revoked meanwhile", async () => {
    const controller = await startTestController({ config: "proveWithin: 30m" });
    const device = await anEnrolledDevice(controller, "edge-1");
    await device.askRenewal(testSigner("P-256"));
    await controller.revocation.revoke("local", { device: "edge-1", reason: "keyCompromise" });
    controller.world.clock.advance(31 * minute);
    expect(await controller.enrolment.noteOverdueProofs()).toBe(0);
    expect(await noted(controller)).toEqual([]);
  });
});
