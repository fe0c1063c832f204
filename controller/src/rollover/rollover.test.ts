import { decodeEnvelope, decodeMessage, formatTopic } from "@fleetcert/proto";
import { parseCertificate, spkiSha256, validatePath } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import {
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";
import { renewBundle } from "../trust/renew-bundle.ts";

const minute = 60_000;
type Device = Awaited<ReturnType<typeof anEnrolledDevice>>;

/** Makes and publishes a bundle with the root key, as the command does. */
async function publishBundle(
  controller: TestController,
  change: { readonly adds?: boolean; readonly retired?: string },
) {
  const { world, trust } = controller;
  const { bundle, envelope } = await renewBundle({
    ...{ current: trust.current(), now: world.clock.now(), keys: world.keys },
    random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)), fraction: () => 0.5 },
    rootSigner: await world.rootKeys.open(world.pki.rootKeyRef),
    ...(change.adds === true && { newIssuerKey: await world.keys.generate({ algorithm: "P-256", label: "issuing" }) }),
    ...(change.retired !== undefined && { retiredIssuer: change.retired }),
    recordIntent: (intent) => trust.intend(intent, "local").then(() => undefined),
    recordOutcome: async () => undefined,
  });
  await trust.publish(envelope, "local");
  return spkiSha256(parseCertificate(bundle.issuers.at(-1) as Uint8Array).spki);
}

async function begin(controller: TestController): Promise<string> {
  const to = await publishBundle(controller, { adds: true });
  await controller.rollovers.begin("operator:alice", {
    ...{ to, spread: 0, percents: [50, 100], thresholds: { always: 100, daily: 100, rare: 50, courier: 0 } },
    gates: { provenPercent: 100, maxFailures: 0, within: 60 * minute, soak: 0 },
  });
  return to;
}

/** The device reports which bundle it holds. */
async function holdBundle(device: Device, version: number): Promise<void> {
  const answer = await device.ask({
    ...{ type: "report", agentVersion: "test", platform: "test", clockOffset: 0, timeStatus: "known" },
    ...{ slots: [], epochs: [], trustEra: 1, trustVersion: version, desiredVersion: 99, outboxLength: 0 },
  });
  expect(answer.type).toBe("received");
}

const issuerOf = async (controller: TestController, device: Device) =>
  (await controller.store.transaction((tx) => tx.certificates.listOf(device.id, "identity")))[0]?.issuer;

const state = async (controller: TestController) => (await controller.rollovers.status()).rollover?.state;

describe("a change of the issuing CA", () => {
  it("switches only after enough devices of every class hold the bundle, by their signed word", async () => {
    const controller = await startTestController();
    const [first, second] = [
      await anEnrolledDevice(controller, "edge-1"),
      await anEnrolledDevice(controller, "edge-2"),
    ];
    await controller.inventory.setAttributes("local", "edge-2", { connectivity: "daily" });
    const from = controller.issuers.issuing.id;
    const to = await begin(controller);
    await controller.rollovers.step();
    await holdBundle(first, 2);
    await controller.rollovers.step();
    expect([await state(controller), controller.issuers.issuing.id]).toEqual(["distributing", from]);
    await holdBundle(second, 1);
    await controller.rollovers.step();
    expect(controller.issuers.issuing.id).toBe(from);
    await holdBundle(second, 2);
    await controller.rollovers.step();
    expect([await state(controller), controller.issuers.issuing.id]).toEqual(["issuing", to]);
    const { holders } = await controller.rollovers.status();
    expect(holders).toEqual([
      { connectivity: "always", devices: 1, holding: 1, reissued: 0 },
      { connectivity: "daily", devices: 1, holding: 1, reissued: 0 },
    ]);
  });

  it("re-issues in waves over restarts, then retires the old issuer, whose lists go on", async () => {
    let controller = await startTestController();
    const devices = [await anEnrolledDevice(controller, "edge-1"), await anEnrolledDevice(controller, "edge-2")];
    const from = controller.issuers.issuing.id;
    const oldCertificate = devices[1]?.certificate as Uint8Array;
    const to = await begin(controller);
    for (const device of devices) await holdBundle(device, 2);
    const goOn = async (): Promise<void> => {
      controller = await startTestController({ world: controller.world });
      for (const device of devices) device.controller = controller;
      await controller.rollovers.step();
      await controller.rollouts.step();
    };
    const wished = async (): Promise<Device[]> => {
      const found: Device[] = [];
      for (const device of devices) {
        const wish = await controller.store.transaction((tx) => tx.wishes.find(device.id, "identity"));
        if (wish !== undefined) found.push(device);
      }
      return found;
    };
    await goOn();
    await goOn();
    await goOn();
    for (const wave of [1, 1]) {
      await goOn();
      const asked = await wished();
      expect(asked).toHaveLength(wave);
      for (const device of asked) {
        expect(await device.rotate()).toMatchObject({ type: "confirmed" });
        expect(await issuerOf(controller, device)).toBe(to);
      }
      await goOn();
    }
    await goOn();
    await goOn();
    expect(await state(controller)).toBe("retiring");
    await expect(controller.rollovers.finish("operator:alice")).rejects.toMatchObject({ code: "conflict" });
    await publishBundle(controller, { retired: from });
    await controller.rollovers.finish("operator:alice");
    await goOn();
    expect(await state(controller)).toBe("finished");
    expect(controller.trust.current().issuers).toHaveLength(1);
    expect(controller.issuers.all().map(({ id }) => id)).toEqual([to, from]);
    // The old issuer revokes still, and a device that has only a certificate of it still connects.
    const serial = parseCertificate(oldCertificate).serial.hex;
    await controller.revocation.revoke("local", { serial, reason: "superseded" });
    const revoked = await controller.store.transaction((tx) => tx.revocations.find(from, serial));
    expect(revoked?.epoch).toBeGreaterThan(0);
    const audit = await controller.store.transaction((tx) => tx.audit.list(1, 10_000));
    expect(audit.map(({ action }) => action).filter((action) => action.startsWith("rollover."))).toEqual([
      ...["rollover.started", "rollover.switched", "rollover.reissuing", "rollover.retiring", "rollover.finished"],
    ]);
  });

  it("keeps a device connected that was away all the time: with its old certificate, the pinned root and the new bundle", async () => {
    const controller = await startTestController();
    const [here, away] = [await anEnrolledDevice(controller, "edge-1"), await anEnrolledDevice(controller, "edge-2")];
    await controller.inventory.setAttributes("local", "edge-2", { connectivity: "rare" });
    await controller.inventory.setAttributes("local", "edge-1", { connectivity: "rare" });
    const from = controller.issuers.issuing.id;
    await begin(controller);
    await holdBundle(here, 2);
    for (let steps = 0; steps < 4; steps++) {
      await controller.rollovers.step();
      await controller.rollouts.step();
    }
    expect(await state(controller)).toBe("reissuing");
    await publishBundle(controller, { retired: from });
    // Its certificate still opens the session, and the server's chain still leads to the root it knows.
    expect(await away.connect()).toMatchObject({ type: "operational", device: "edge-2" });
    const { credential } = await controller.listeners.ensure({ name: "broker", hosts: ["localhost"] });
    const [leaf = new Uint8Array(), ...intermediates] = credential.chain;
    const roots = [controller.world.pki.root.der];
    const at = controller.world.clock.now();
    const path = validatePath({ leaf, intermediates, roots, at, purpose: "serverAuth", name: { dns: "localhost" } });
    expect(path.path).toHaveLength(3);
    expect(await away.rotate()).toMatchObject({ type: "confirmed", generation: 2 });
    expect(await issuerOf(controller, away)).toBe(controller.issuers.issuing.id);
  });

  it("signs heads of both issuers by keys that speak for them, the old one's by the keys that devices know already", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const known = controller.trust.current().commandKeys.map(({ keyId }) => keyId);
    const from = controller.issuers.issuing.id;
    const to = await begin(controller);
    await holdBundle(device, 2);
    await controller.rollovers.step();
    await device.rotate();
    await controller.revocation.publishIfDue({ isStarting: true });
    await controller.outbox.drain();
    const bundle = controller.trust.current();
    for (const issuer of [from, to]) {
      const envelope = decodeEnvelope(controller.retained.get(formatTopic({ type: "head", issuer })) as Uint8Array);
      expect(decodeMessage(envelope.payload).body).toMatchObject({ type: "head", issuer });
      const keyId = envelope.signatures[0]?.keyId ?? "";
      expect(bundle.commandKeys.find((key) => key.keyId === keyId)?.issuers).toContain(issuer);
      expect(known.includes(keyId)).toBe(issuer === from);
    }
  });

  it("is one at a time, and not to an issuer that is not in the bundle", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    const request = {
      ...{
        to: "ab".repeat(32),
        spread: 0,
        percents: [100],
        thresholds: { always: 100, daily: 100, rare: 0, courier: 0 },
      },
      gates: { provenPercent: 100, maxFailures: 0, within: minute, soak: 0 },
    };
    await expect(controller.rollovers.begin("local", request)).rejects.toMatchObject({ code: "trust-invalid" });
    await begin(controller);
    await expect(begin(controller)).rejects.toMatchObject({ code: "conflict" });
    await expect(controller.rollovers.resume("local")).rejects.toMatchObject({ code: "conflict" });
    await expect(controller.rollovers.finish("local")).rejects.toMatchObject({ code: "conflict" });
  });
});
