import { randomBytes } from "node:crypto";
import { type Body, type BodyOf, decodeCourierFile, encodeCourierFile, maxCourierBytes } from "@fleetcert/proto";
import { sha256 } from "@fleetcert/shared";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import {
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";
import { answersIn, BundlePacker } from "../../../test/support/devices/courier-device.ts";
import { renewBody } from "../../../test/support/devices/device-messages.ts";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import type { Transaction } from "../store-port.ts";

type Device = Awaited<ReturnType<typeof anEnrolledDevice>>;

let controller: TestController;
let device: Device;
let packer: BundlePacker;
const alice = "operator:alice";

beforeEach(async () => {
  controller = await startTestController();
  device = await anEnrolledDevice(controller, "edge-1");
  await controller.inventory.setAttributes("local", "edge-1", { connectivity: "courier" });
  packer = new BundlePacker(device);
});

const exchange = (bundle: Uint8Array) => controller.courier.exchange(alice, bundle);
const event: Body = { type: "event", name: "door-opened", at: 1, details: { door: "2" } };

async function renewal(key = testSigner("P-256")): Promise<{ key: typeof key; body: BodyOf<"renew"> }> {
  return { key, body: await renewBody(device, key) };
}

/** Everything a bundle might change, but for the audit of its refusal. */
const state = () =>
  controller.world.store.transaction(async (tx: Transaction) => ({
    devices: await tx.devices.list({ limit: 100 }),
    certificates: await tx.certificates.list({ limit: 100 }),
    contact: await tx.courierContacts.find("edge-1"),
    report: await tx.reports.find("edge-1"),
    outbox: await tx.outbox.list(1000),
    audit: (await tx.audit.list(1, 10_000)).filter(({ action }) => action !== "courier.refused"),
  }));

/** Refused with the code, and nothing changed but that the refusal is audited. */
async function expectRefused(bundle: Uint8Array, code: string): Promise<void> {
  const before = await state();
  await expect(exchange(bundle)).rejects.toMatchObject({ code });
  expect(await state()).toEqual(before);
  const last = await controller.world.store.transaction((tx) => tx.audit.last());
  expect(last).toMatchObject({ action: "courier.refused", actor: alice, outcome: "failure" });
}

describe("an exchanged bundle", () => {
  it("renews, reports and gets the time, and its answers lie in the reply", async () => {
    const { key, body } = await renewal();
    const bundle = await packer.pack([{ type: "time-request" }, event, body]);
    const done = await exchange(bundle);
    expect(done).toMatchObject({ device: "edge-1", generation: 1, isRepeated: false });
    expect(done.answers).toMatchObject([
      { asked: "time", answer: "time-token" },
      { asked: "event", answer: "received" },
      { asked: "renew", answer: "issued", slot: "identity", generation: 2 },
    ]);
    expect(answersIn(done.reply).map(({ type }) => type)).toEqual(["time-token", "received", "issued"]);
    device.take(key, answersIn(done.reply)[2] as BodyOf<"issued">);
    expect(await device.activate()).toMatchObject({ type: "confirmed", generation: 2 });
  });

  it("brings trust, desired state and the whole epoch back, the head after what it names", async () => {
    await controller.revocation.publish();
    const { reply } = await exchange(await packer.pack([{ type: "time-request" }]));
    const kinds = decodeCourierFile(reply, maxCourierBytes.reply).parts.map(({ topic }) => topic.type);
    expect(kinds[0]).toBe("trust-version");
    expect(kinds).toEqual(expect.arrayContaining(["desired", "snapshot-part", "crl-part", "head", "down"]));
    expect(kinds.lastIndexOf("snapshot-part")).toBeLessThan(kinds.indexOf("head"));
    expect(kinds.lastIndexOf("crl-part")).toBeLessThan(kinds.indexOf("head"));
  });

  it("is audited with the operator and shown as the device's last contact", async () => {
    await exchange(await packer.pack([event]));
    const [entry] = (await controller.world.store.transaction((tx) => tx.audit.list(1, 1000))).filter(
      ({ action }) => action === "courier.exchanged",
    );
    expect(entry).toMatchObject({ actor: alice, target: "edge-1", outcome: "success" });
    expect(await controller.world.store.transaction((tx) => tx.courierContacts.find("edge-1"))).toMatchObject({
      operator: alice,
      generation: 1,
    });
  });

  it("gets the same answers when it is exchanged again, also weeks later, and nothing happens twice", async () => {
    const { body } = await renewal();
    const refusedBody: Body = { ...body, slot: "web", generation: 9 };
    const bundle = await packer.pack([event, body, refusedBody]);
    const first = await exchange(bundle);
    controller.world.clock.advance(20 * 86_400_000);
    const before = await state();
    const second = await exchange(bundle);
    expect(second.isRepeated).toBe(true);
    expect(second.answers).toEqual(first.answers);
    const [, issued] = [answersIn(first.reply), answersIn(second.reply)].map((answers) => answers[1]);
    expect(issued).toEqual(answersIn(first.reply)[1]);
    expect((await state()).certificates).toEqual(before.certificates);
  });

  it("proves a certificate for a device of class courier, by the signature of the new key", async () => {
    const { key, body } = await renewal();
    const { reply } = await exchange(await packer.pack([body]));
    const { certificate } = answersIn(reply)[0] as BodyOf<"issued">;
    const old = device.key;
    const activated: Body = {
      type: "activated",
      slot: "identity",
      generation: 2,
      certificateSha256: sha256(certificate),
    };
    packer.counter += 1;
    const { counter } = packer;
    const parts = [await packer.part(activated, {}, key), await packer.part(event, {}, old, key)];
    const done = await exchange(await packer.seal(parts, counter, {}, old, key));
    expect(done.answers).toMatchObject([{ answer: "confirmed", generation: 2 }, { answer: "received" }]);
    const certificates = await controller.world.store.transaction((tx) => tx.certificates.listOf("edge-1", "identity"));
    expect(certificates.map(({ generation, state: is }) => [generation, is])).toEqual([
      [2, "proven"],
      [1, "retired"],
    ]);
    const proof = (await controller.world.store.transaction((tx) => tx.audit.list(1, 1000))).findLast(
      ({ action }) => action === "certificate.proven",
    );
    expect(JSON.parse(proof?.details ?? "{}")).toMatchObject({ via: "courier", operator: alice });
    // The news of the proof may be lost on its way: long after the grace both keys together are still heard.
    controller.world.clock.advance(10 * 86_400_000);
    packer.counter += 1;
    const again = packer.counter;
    const lost = [await packer.part(activated, {}, key), await packer.part({ type: "time-request" }, {}, old, key)];
    const repeated = await exchange(await packer.seal(lost, again, {}, old, key));
    expect(repeated.answers).toMatchObject([{ answer: "confirmed", generation: 2 }, { answer: "time-token" }]);
  });

  it("proves nothing for a device that can connect: it is told to", async () => {
    await controller.inventory.setAttributes("local", "edge-1", { connectivity: "daily" });
    const { key, body } = await renewal();
    const { reply } = await exchange(await packer.pack([body]));
    const { certificate } = answersIn(reply)[0] as BodyOf<"issued">;
    packer.counter += 1;
    const { counter } = packer;
    const activated: Body = {
      type: "activated",
      slot: "identity",
      generation: 2,
      certificateSha256: sha256(certificate),
    };
    const part = await packer.part(activated, {}, key);
    const done = await exchange(await packer.seal([part], counter, {}, device.key, key));
    expect(done.answers).toMatchObject([{ answer: "refused", code: "policy-violation" }]);
    const [newest] = await controller.world.store.transaction((tx) => tx.certificates.listOf("edge-1", "identity"));
    expect(newest).toMatchObject({ generation: 2, state: "issued" });
  });

  it("renews a certificate that expired longer ago than a device may renew by itself", async () => {
    controller.world.clock.advance(400 * 86_400_000);
    const { body } = await renewal();
    const done = await exchange(await packer.pack([body, event]));
    expect(done.answers).toMatchObject([
      { asked: "renew", answer: "issued", generation: 2 },
      { asked: "event", answer: "refused", code: "signer-not-allowed" },
    ]);
  });

  it("of a revoked device brings it the cause, the wish to stop and the revocations, and no certificate (I7)", async () => {
    await controller.revocation.revoke("local", { device: "edge-1", reason: "keyCompromise" });
    const { body } = await renewal();
    const done = await exchange(await packer.pack([body, event]));
    expect(done.answers).toMatchObject([
      { answer: "refused", code: "device-suspended" },
      { answer: "refused", code: "device-suspended" },
    ]);
    const kinds = decodeCourierFile(done.reply, maxCourierBytes.reply).parts.map(({ topic }) => topic.type);
    expect(kinds).toEqual(expect.arrayContaining(["desired", "head"]));
  });
});

describe("a bundle is refused as a whole, and changes nothing,", () => {
  it("when it was tampered with: any bit of it, whatever its checksum says", async () => {
    const bundle = await packer.pack([event]);
    await fc.assert(
      fc.asyncProperty(fc.nat(bundle.length * 8 - 1), fc.boolean(), async (bit, fixesChecksum) => {
        const flipped = Uint8Array.from(bundle);
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
        if (fixesChecksum) flipped.set(sha256(flipped.subarray(0, -32)), flipped.length - 32);
        if (Buffer.compare(flipped, bundle) === 0) return;
        await expect(exchange(flipped)).rejects.toMatchObject({ name: "FleetError" });
      }),
      { numRuns: flips },
    );
    expect((await state()).contact).toBeUndefined();
    await expectRefused(bundle.subarray(0, -1), "bundle-damaged");
  }, 60_000);

  it("when it ends too early, at any octet", async () => {
    const bundle = await packer.pack([event]);
    for (let length = 0; length < bundle.length; length += 7) {
      await expect(exchange(bundle.subarray(0, length))).rejects.toMatchObject({ code: "bundle-damaged" });
    }
    expect((await state()).contact).toBeUndefined();
  });

  it("when it is put together from two of the same device", async () => {
    const [one, other] = [await packer.pack([event]), await packer.pack([{ type: "time-request" }])].map((bytes) =>
      decodeCourierFile(bytes, maxCourierBytes.request),
    );
    const manifest = one?.manifest ?? new Uint8Array();
    const parts = [...(one?.parts ?? []), ...(other?.parts ?? [])];
    await expectRefused(encodeCourierFile({ manifest, parts }), "signature-invalid");
    await expectRefused(encodeCourierFile({ manifest, parts: other?.parts ?? [] }), "signature-invalid");
  });

  it("when a part of it is another device's", async () => {
    const other = await anEnrolledDevice(controller, "edge-2");
    const foreign = await new BundlePacker(other).part(event);
    packer.counter += 1;
    await expectRefused(await packer.seal([foreign], 1), "bundle-foreign");
    const disguised = { ...foreign, topic: { type: "up", device: "edge-1", kind: "event" } as const };
    await expectRefused(await packer.seal([disguised], 1), "bundle-foreign");
  });

  it("when its manifest is signed by another device's key, or one key of it is nobody's", async () => {
    const other = await anEnrolledDevice(controller, "edge-2");
    await expectRefused(await packer.pack([event], other.key), "signer-not-allowed");
    await expectRefused(await packer.pack([event], device.key, testSigner("P-256")), "signer-not-allowed");
  });

  it("when it is of another fleet", async () => {
    const part = await packer.part(event, { fleet: "other" });
    await expectRefused(await packer.seal([part], 0), "bundle-foreign");
    await expectRefused(await packer.seal([], 0, { fleet: "other" }), "bundle-foreign");
  });

  it("when a newer one of the device was exchanged before it", async () => {
    const older = await packer.pack([event]);
    await exchange(await packer.pack([event]));
    await expectRefused(older, "bundle-stale");
  });

  it("when two have the same number: two may use the key, and a notice says so", async () => {
    const one = await packer.pack([event]);
    packer.counter = 0;
    const other = await packer.pack([event]);
    await exchange(one);
    await expectRefused(other, "bundle-stale");
    expect(controller.notices.map(({ name }) => name)).toContain("clone.suspected");
  });

  it("when its id came with other content", async () => {
    const messageId = randomBytes(16).toString("hex");
    await exchange(await packer.seal([], 1, { messageId }));
    await expectRefused(await packer.seal([], 2, { messageId }), "message-replayed");
  });

  it("when a part is numbered before the manifest, or in another stream", async () => {
    const early = await packer.part(event, { sequence: { generation: 1, stream: "courier", counter: 4 } });
    await expectRefused(await packer.seal([early], 4), "message-invalid");
    const mqtt = await packer.part(event, { sequence: { generation: 1, stream: "mqtt", counter: 9 } });
    await expectRefused(await packer.seal([mqtt], 4), "message-invalid");
  });

  it("when it is larger than any device makes, before it is looked at", async () => {
    await expectRefused(new Uint8Array(maxCourierBytes.request + 1), "message-too-large");
  });

  it("when it is a reply", async () => {
    const { reply } = await exchange(await packer.pack([event]));
    if (reply.length <= maxCourierBytes.request) await expectRefused(reply, "message-invalid");
    expect.assertions(3);
  });
});

const flips = process.env["FLEETCERT_LONG"] === "1" ? 20_000 : 300;
