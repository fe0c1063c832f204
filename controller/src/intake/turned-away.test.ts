import { acceptTrustBundle, decodeEnvelope, decodeMessage, isSignedBy, type TrustBundle } from "@fleetcert/proto";
import { describe, expect, it } from "vitest";
import {
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";

const day = 86_400_000;

async function aTurnedAwayDevice(config = "") {
  const controller = await startTestController({ config });
  return { controller, device: await anEnrolledDevice(controller, "edge-1") };
}

type Device = Awaited<ReturnType<typeof aTurnedAwayDevice>>["device"];

/** What a device hears that asks, over the bootstrap listener, why the operational one did not take its certificate. */
async function ask(device: Device) {
  return await device.ask({ type: "time-request" }, { peer: await device.connectBootstrap() });
}

describe("a device that was turned away", () => {
  it("hears that it is retired, or suspended and why", async () => {
    const { controller, device } = await aTurnedAwayDevice();
    await controller.revocation.suspend("local", "edge-1", "stolen");
    expect(await ask(device)).toMatchObject({
      code: "device-suspended",
      message: "device edge-1 is suspended (stolen)",
      hint: expect.stringContaining("fleetcert device reinstate edge-1"),
    });
    await controller.revocation.reinstate("operator:alice", { device: "edge-1", onlyHolds: false });
    expect(await ask(device)).toMatchObject({ type: "time-token", now: controller.world.clock.now() });
    await controller.revocation.retire("local", "edge-1");
    await expect(device.connect()).rejects.toMatchObject({ code: "device-retired" });
    expect(await ask(device)).toMatchObject({ type: "refused", code: "device-retired" });
  });

  it("hears that its certificate stays revoked after its reinstatement, and who can help", async () => {
    const { controller, device } = await aTurnedAwayDevice();
    await controller.revocation.revoke("local", { device: "edge-1", reason: "keyCompromise" });
    expect(await ask(device)).toMatchObject({ code: "device-suspended", message: expect.stringContaining("keyCompr") });
    await controller.revocation.reinstate("operator:alice", { device: "edge-1", onlyHolds: false });
    await expect(device.connect()).rejects.toMatchObject({ code: "unauthenticated" });
    expect(await ask(device)).toMatchObject({
      code: "credential-revoked",
      hint: expect.stringContaining("fleetcert device reenrol edge-1"),
    });
  });

  it("gets the time when it has only expired, and the cause once its key renews it no more", async () => {
    const { controller, device } = await aTurnedAwayDevice("renewAfterExpiry: 30d");
    controller.world.clock.advance(100 * day);
    expect(await ask(device)).toMatchObject({ type: "time-token", now: controller.world.clock.now() });
    controller.world.clock.advance(30 * day);
    expect(await ask(device)).toMatchObject({
      code: "credential-expired",
      message: expect.stringContaining("720 h"),
      hint: expect.stringContaining("fleetcert device reenrol edge-1"),
    });
  });

  it("changes nothing by asking, and gets nothing else on that way", async () => {
    const { controller, device } = await aTurnedAwayDevice();
    const before = await certificatesOf(controller);
    await ask(device);
    const peer = await device.connectBootstrap();
    const certificateSha256 = new Uint8Array(32);
    const activated = { type: "activated", slot: "identity", generation: 1, certificateSha256 } as const;
    expect(await device.ask(activated, { peer })).toMatchObject({ code: "signer-not-allowed" });
    expect(await certificatesOf(controller)).toEqual(before);
  });

  it("verifies the cause also when every command key it knew has gone", async () => {
    const { controller, device } = await aTurnedAwayDevice();
    await controller.revocation.suspend("local", "edge-1", "stolen");
    const peer = await device.connectBootstrap();
    await device.ask({ type: "time-request" }, { peer });
    const sent = controller.published.findLast(({ topic }) => topic.includes("/down/refused"));
    const payload = sent?.payload ?? new Uint8Array();
    const { body } = decodeMessage(decodeEnvelope(payload).payload);
    if (body.type !== "refused") throw new Error("no refusal");
    let bundle: TrustBundle | undefined;
    for (const envelope of body.trustBundles) {
      const rootSha256 = controller.world.pki.root.sha256;
      bundle = acceptTrustBundle(envelope, bundle === undefined ? { rootSha256, fleet: "demo" } : { bundle });
    }
    const keys = bundle?.commandKeys.filter(({ use }) => use === "messages") ?? [];
    expect(keys.some(({ spki }) => isSignedBy(decodeEnvelope(payload), spki))).toBe(true);
  });
});

async function certificatesOf({ store }: TestController) {
  return await store.transaction((tx) => tx.certificates.listOf("edge-1"));
}
