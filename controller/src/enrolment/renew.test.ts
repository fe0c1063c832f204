import { parseCertificate } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import {
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { revocationsOf } from "../../../test/support/revocation/stored-lists.ts";

const day = 86_400_000;

async function states(controller: TestController, id: string) {
  const certificates = await controller.store.transaction((tx) => tx.certificates.listOf(id));
  return certificates.map(({ generation, state }) => `${generation} ${state}`);
}

describe("rotation", () => {
  it("takes a new key, proves it, and retires the old", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    expect(await device.rotate()).toMatchObject({ type: "confirmed", generation: 2, grace: 3_600_000 });
    expect(await states(controller, "edge-1")).toEqual(["2 proven", "1 retired"]);
  });

  it("gives the same certificate again for the same key, also when the answer was lost many times", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const next = testSigner("P-256");
    const [first, second] = [await device.askRenewal(next), await device.askRenewal(next)];
    expect(first).toMatchObject({ type: "issued", generation: 2 });
    expect(second).toEqual(first);
    expect(await states(controller, "edge-1")).toEqual(["2 issued", "1 proven"]);
  });

  it("replaces a pending certificate at most three times, and revokes what it replaces", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const answers = [];
    for (let count = 0; count < 5; count++) answers.push((await device.askRenewal(testSigner("P-256"))).type);
    expect(answers).toEqual(["issued", "issued", "issued", "issued", "refused"]);
    const expected = ["1 proven", "2 issued", "2 revoked", "2 revoked", "2 revoked"];
    expect((await states(controller, "edge-1")).sort()).toEqual(expected);
    const waiting = await controller.store.transaction((tx) =>
      revocationsOf(tx, { issuer: controller.revocation.issuer, shard: 0, isWaiting: true }),
    );
    expect(waiting.map(({ reason }) => reason)).toEqual(["superseded", "superseded", "superseded"]);
  });

  it("suspends the device when another key comes for a generation it reported as installed", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    await device.askRenewal(testSigner("P-256"));
    await device.report({ generation: 2, journal: "installed" });
    expect(await device.askRenewal(testSigner("P-256"))).toMatchObject({ type: "refused", code: "device-suspended" });
    expect(await controller.store.transaction((tx) => tx.devices.find("edge-1"))).toMatchObject({ state: "suspended" });
    expect(controller.dropped).toContain("edge-1");
    expect(await states(controller, "edge-1")).toEqual(["2 issued", "1 proven"]);
  });

  it("leaves a slot at most two usable certificates: issuing n revokes up to n−2 (I5)", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    for (let count = 0; count < 3; count++) await device.rotate();
    expect(await states(controller, "edge-1")).toEqual(["4 proven", "3 retired", "2 revoked", "1 revoked"]);
  });

  it("refuses generations that do not follow, keys used before, and another previous certificate", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const other = await anEnrolledDevice(controller, "edge-2");
    for (const generation of [1, 3, 7]) {
      expect(await device.askRenewal(testSigner("P-256"), generation)).toMatchObject({ code: "generation-conflict" });
    }
    expect(await device.askRenewal(device.key)).toMatchObject({ code: "policy-violation" });
    expect(await device.askRenewal(other.key)).toMatchObject({ code: "policy-violation" });
    device.certificate = other.certificate;
    const peer = { type: "operational", device: "edge-1", certificateSha256: "0".repeat(64) } as const;
    expect(await device.askRenewal(testSigner("P-256"), 2, { peer })).toMatchObject({ code: "generation-conflict" });
    expect(await states(controller, "edge-1")).toEqual(["1 proven"]);
  });

  it("never widens: the new certificate says what the registry says", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const next = testSigner("P-256");
    const answer = await device.askRenewal(next, 2, { commonName: "root.example" });
    if (answer.type !== "issued") throw new Error("not issued");
    const { subject, subjectAlternativeNames } = parseCertificate(answer.certificate);
    expect([subject.text, subjectAlternativeNames.all.length]).toEqual(["CN=edge-1,O=demo", 1]);
  });

  it("takes the proof only over a session of the new certificate, signed by the new key", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const oldSession = await device.connect();
    const oldKey = device.key;
    const next = testSigner("P-256");
    const answer = await device.askRenewal(next);
    if (answer.type !== "issued") throw new Error("not issued");
    device.take(next, answer);
    expect(await device.activate({ peer: oldSession })).toMatchObject({ code: "signer-not-allowed" });
    expect(await device.activate({ key: oldKey, sequenceGeneration: 1 })).toMatchObject({ code: "signer-not-allowed" });
    expect(await device.activate()).toMatchObject({ type: "confirmed" });
    expect(await device.activate()).toMatchObject({ type: "confirmed" });
  });

  it("lets an expired certificate renew by its old key on the bootstrap listener, within the time allowed", async () => {
    const controller = await startTestController({ config: "renewAfterExpiry: 30d" });
    const device = await anEnrolledDevice(controller, "edge-1");
    controller.world.clock.advance(100 * day);
    await expect(device.connect()).rejects.toMatchObject({ code: "path-invalid" });
    const peer = await device.connectBootstrap();
    const next = testSigner("P-256");
    const answer = await device.askRenewal(next, 2, { peer });
    expect(answer).toMatchObject({ type: "issued", generation: 2 });
    if (answer.type !== "issued") return;
    device.take(next, answer);
    expect(await device.activate()).toMatchObject({ type: "confirmed" });
    controller.world.clock.advance(90 * day + 31 * day);
    const late = await device.connectBootstrap();
    expect(await device.askRenewal(testSigner("P-256"), 3, { peer: late })).toMatchObject({
      code: "credential-expired",
    });
  });
});
