import { randomBytes } from "node:crypto";
import { formatTopic } from "@fleetcert/proto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";
import { testSigner } from "../../../test/support/keys/test-signer.ts";

const timeRequest = { type: "time-request" } as const;

async function auditLength(controller: TestController): Promise<number> {
  return (await controller.store.transaction((tx) => tx.audit.last()))?.sequence ?? 0;
}

describe("a device message", () => {
  it("is answered once: the same bytes again get the same answer in a fresh envelope (I4)", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const message = await device.message(timeRequest);
    const first = await device.send(message);
    controller.world.clock.advance(60_000);
    expect(await device.send(message)).toEqual(first);
    expect(first).toMatchObject({ type: "time-token" });
  });

  it("is refused as replayed when its id comes with other content", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const message = await device.message(timeRequest);
    await device.send(message);
    const other = await device.message(timeRequest, { changes: { messageId: message.messageId } });
    expect(await device.send(other)).toMatchObject({ type: "refused", code: "message-replayed" });
  });

  it("is refused when it is not what topic, session and fleet say", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const wrong = [
      { fleet: "other" },
      { recipient: "edge-2" },
      { sender: "edge-2" },
      { direction: "controller-to-device" },
    ] as const;
    for (const changes of wrong) {
      const answer = await device.send(await device.message(timeRequest, { changes }));
      expect(answer).toMatchObject({ type: "refused", code: "message-invalid" });
    }
    const message = await device.message(timeRequest);
    expect(await device.send({ ...message, kind: "report" })).toMatchObject({ code: "message-invalid" });
  });

  it("is refused when another key than the device's own has signed it", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const other = await anEnrolledDevice(controller, "edge-2");
    for (const key of [testSigner("P-256"), other.key]) {
      expect(await device.ask(timeRequest, { key })).toMatchObject({ type: "refused", code: "signer-not-allowed" });
    }
    const message = await device.message(timeRequest);
    const envelope = Uint8Array.from(message.envelope);
    envelope[envelope.length - 4] = (envelope[envelope.length - 4] ?? 0) ^ 1;
    expect(await device.send({ ...message, envelope })).toMatchObject({ code: "signature-invalid" });
  });

  it("of a topic that is not the session's changes nothing", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    await anEnrolledDevice(controller, "edge-2");
    const { envelope: payload, kind } = await device.message(timeRequest);
    const peer = await device.connect();
    for (const topic of [
      formatTopic({ type: "up", device: "edge-2", kind }),
      "fleetcert/1/fleet/trust",
      "$SYS/x",
      "",
    ]) {
      await controller.events.receive({ topic, payload, peer });
    }
    const answers = await controller.answersTo("edge-1");
    expect(answers.map(({ body }) => body)).toEqual(
      Array(4).fill(expect.objectContaining({ type: "refused", code: "denied" })),
    );
  });

  it("whose counter went back is challenged, not executed, until the proven key answers", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    await device.ask(timeRequest);
    const sequence = { generation: 1, stream: "mqtt", counter: 1 } as const;
    const challenge = await device.send(await device.message(timeRequest, { changes: { sequence } }));
    if (challenge.type !== "challenge") throw new Error(`got ${challenge.type}`);
    expect(controller.notices).toContainEqual(expect.objectContaining({ name: "clone.suspected" }));
    const response = (nonce: Uint8Array) => ({ type: "challenge-response", nonce }) as const;
    const restart = { changes: { sequence: { ...sequence, counter: 5 } } };
    const wrong = await device.message(response(randomBytes(32)), restart);
    expect(await device.send(wrong)).toMatchObject({ code: "message-replayed" });
    const right = await device.message(response(challenge.nonce), restart);
    expect(await device.send(right)).toMatchObject({ type: "received" });
    const next = await device.message(timeRequest, { changes: { sequence: { ...sequence, counter: 6 } } });
    expect(await device.send(next)).toMatchObject({ type: "time-token" });
  });

  it("without a sequence, or with one of another generation, is refused", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    for (const sequence of [undefined, { generation: 2, stream: "mqtt", counter: 99 } as const]) {
      const answer = await device.send(await device.message(timeRequest, { changes: { sequence } }));
      expect(answer).toMatchObject({ type: "refused", code: "message-invalid" });
    }
  });

  it("of a suspended device gets the cause and nothing else, on every way (I7)", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const peer = await device.connect();
    const message = await device.message(timeRequest);
    await device.send(message, { peer });
    await controller.revocation.suspend("local", "edge-1", "stolen");
    await expect(device.connect()).rejects.toMatchObject({ code: "device-suspended" });
    expect(await device.send(message, { peer })).toMatchObject({ type: "refused", code: "device-suspended" });
    const bootstrap = await device.connectBootstrap();
    const answer = await device.askRenewal(testSigner("P-256"), 2, { peer: bootstrap });
    expect(answer).toMatchObject({ type: "refused", code: "device-suspended" });
    await controller.revocation.reinstate("operator:alice", { device: "edge-1", onlyHolds: false });
    expect(await device.rotate()).toMatchObject({ type: "confirmed" });
  });

  it("of any bytes is refused within a budget, never crashes, never changes the registry", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const peer = await device.connect();
    const { envelope } = await device.message(timeRequest);
    const before = await controller.store.transaction((tx) => tx.devices.find("edge-1"));
    const length = await auditLength(controller);
    const topic = formatTopic({ type: "up", device: "edge-1", kind: "time" });
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          fc.nat({ max: envelope.length - 1 }).map((end) => envelope.subarray(0, end)),
          fc
            .tuple(fc.nat({ max: envelope.length - 1 }), fc.integer({ min: 1, max: 255 }))
            .map(([at, flip]) => envelope.map((octet, index) => (index === at ? octet ^ flip : octet))),
        ),
        async (payload) => {
          await controller.events.receive({ topic, payload, peer });
        },
      ),
      { numRuns: 200 },
    );
    const after = await controller.store.transaction((tx) => tx.devices.find("edge-1"));
    expect({ ...after, lastSeenAt: 0 }).toEqual({ ...before, lastSeenAt: 0 });
    expect((await auditLength(controller)) - length).toBeLessThanOrEqual(21);
  });
});

describe("a device that connects", () => {
  it("must be the one its certificate names", async () => {
    const controller = await startTestController();
    const [one, two] = [await anEnrolledDevice(controller, "edge-1"), await anEnrolledDevice(controller, "edge-2")];
    await expect(one.connect(two.certificate)).rejects.toMatchObject({ code: "unauthenticated" });
    const { events } = controller;
    await expect(events.authenticateOperational({ chain: [], clientId: "edge-1" })).rejects.toMatchObject({
      code: "unauthenticated",
    });
    const chain = [Uint8Array.of(1, 2, 3)];
    await expect(events.authenticateOperational({ chain, clientId: "edge-1" })).rejects.toMatchObject({
      code: "path-invalid",
    });
    await expect(
      events.authenticateBootstrap({
        chain,
        clientId: `boot-${"a".repeat(40)}`,
        username: undefined,
        password: undefined,
      }),
    ).rejects.toMatchObject({ code: "unauthenticated" });
  });

  it("is refused with a certificate of another PKI, and with one the inventory does not know", async () => {
    const [ours, theirs] = [await startTestController(), await startTestController()];
    await anEnrolledDevice(ours, "edge-1");
    const foreign = await anEnrolledDevice(theirs, "edge-1");
    const { events } = ours;
    await expect(
      events.authenticateOperational({ chain: [foreign.certificate], clientId: "edge-1" }),
    ).rejects.toMatchObject({ code: "path-invalid" });
  });

  it("may use its retired certificate within the grace only", async () => {
    const controller = await startTestController({ config: "graceAfterProof: 10m" });
    const device = await anEnrolledDevice(controller, "edge-1");
    const old = device.certificate;
    await device.rotate();
    expect(await device.connect(old)).toMatchObject({ type: "operational" });
    controller.world.clock.advance(11 * 60_000);
    await expect(device.connect(old)).rejects.toMatchObject({ code: "unauthenticated" });
    expect(await device.connect()).toMatchObject({ type: "operational" });
  });
});

describe("a client that is not let in", () => {
  const refusalsOf = async (controller: TestController) =>
    (await controller.store.transaction((tx) => tx.audit.list(1, 1000)))
      .filter(({ action }) => action === "session.refused")
      .map(({ actor, target, details }) => ({ actor, target, code: JSON.parse(details).code }));

  it("is audited under the device whose key it proved, whatever client id it asks for (I8)", async () => {
    const controller = await startTestController();
    const [one, two] = [await anEnrolledDevice(controller, "edge-1"), await anEnrolledDevice(controller, "edge-2")];
    await expect(one.connect(two.certificate)).rejects.toMatchObject({ code: "unauthenticated" });
    await controller.revocation.suspend("local", "edge-1", "stolen");
    await expect(one.connect()).rejects.toMatchObject({ code: "device-suspended" });
    expect(await refusalsOf(controller)).toEqual([
      { actor: "device:edge-2", target: "edge-1", code: "unauthenticated" },
      { actor: "device:edge-1", target: "edge-1", code: "device-suspended" },
    ]);
  });

  it("cannot fill the audit chain: strangers share one budget, and those we know have one each", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const { events } = controller;
    for (let count = 0; count < 50; count++) {
      const stranger = { chain: [Uint8Array.of(1, 2, count)], clientId: `edge-${count}` };
      await expect(events.authenticateOperational(stranger)).rejects.toMatchObject({ code: "path-invalid" });
    }
    expect(await refusalsOf(controller)).toHaveLength(20);
    await controller.revocation.suspend("local", "edge-1", "stolen");
    await expect(device.connect()).rejects.toMatchObject({ code: "device-suspended" });
    expect((await refusalsOf(controller)).at(-1)).toMatchObject({ actor: "device:edge-1" });
  });
});
