import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Body, decodeEnvelope, formatTopic, type Message, payloadTypes, signEnvelope } from "@fleetcert/proto";
import { type ErrorCode, sha256Hex } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AttackerDevice } from "../../support/attackers/attacker-device.ts";
import { refusal } from "../../support/attackers/attacker-verdict.ts";
import { publishPacket } from "../../support/broker/mqtt-packets.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { testSigner } from "../../support/keys/test-signer.ts";

let controller: RealController;
/** An honest device beside the attacker; whatever happens, it must be served. */
let good: AttackerDevice;

beforeAll(async () => {
  controller = await realController({ settings: { graceAfterProof: "1ms" } });
  good = await new AttackerDevice(controller, "good-1").join();
});
afterAll(() => controller.close());

const event = { type: "event", name: "test", at: 0, details: {} } as const;

/** What an attack must leave behind: its refusal in the audit, nothing else, and a good device that is served. */
async function expectOnlyRefused(attempt: () => Promise<unknown>, actions: readonly string[]): Promise<void> {
  const left = await controller.unchangedBy(attempt);
  expect(left.map(({ action, outcome }) => [action, outcome])).toEqual(actions.map((action) => [action, "failure"]));
  expect(await good.ask(event)).toEqual({ type: "received" });
}

describe("octets that are no message", () => {
  it("are refused whatever they are", async () => {
    const device = await new AttackerDevice(controller, "noise-1").join();
    const session = await device.operational();
    const { envelope } = await device.message(event);
    const { payload } = decodeEnvelope(envelope);
    const unsigned = await signEnvelope(payloadTypes.message, randomBytes(200), device.key);
    const cases: readonly (readonly [Uint8Array, ErrorCode])[] = [
      [new Uint8Array(), "version-unsupported"],
      [Buffer.alloc(4_000, 0xff), "message-invalid"],
      [randomBytes(61 * 1024), "message-too-large"],
      [unsigned, "message-invalid"],
      [envelope.subarray(0, envelope.length - 1), "message-invalid"],
      [envelope.subarray(0, envelope.length / 2), "message-invalid"],
      [await signEnvelope("application/x" as never, payload, device.key), "version-unsupported"],
      [await signEnvelope(payloadTypes.trustBundle, payload, device.key), "message-invalid"],
      [await signEnvelope(payloadTypes.message, otherVersion(payload), device.key), "version-unsupported"],
      [await signEnvelope(payloadTypes.message, payload.subarray(0, 40), device.key), "message-invalid"],
    ];
    await expectOnlyRefused(
      async () => {
        for (const [bytes, code] of cases) {
          expect(await device.deliver(session, bytes, { kind: "event" })).toEqual(refusal(code));
        }
        for (const length of [1, 3, 17, 400, 9_000]) {
          const body = await device.deliver(session, randomBytes(length), { kind: "report" });
          expect(body).toMatchObject({ type: "refused", code: expect.stringMatching(/^(message|version)-/) });
        }
      },
      Array.from({ length: cases.length + 5 }, () => "message.refused"),
    );
    session.stream.destroy();
  });

  it("end the session when they are larger than any publish may be", async () => {
    const device = await new AttackerDevice(controller, "noise-2").join();
    const session = await device.operational();
    const topic = formatTopic({ type: "up", device: device.id, kind: "report" });
    await expectOnlyRefused(async () => {
      session.send(publishPacket({ topic, payload: randomBytes(300 * 1024), packetId: 9 }));
      await session.closed;
    }, []);
  });
});

describe("a message that is not what its topic and session say", () => {
  it.each<[string, Partial<Message>, ErrorCode]>([
    ["another fleet", { fleet: "elsewhere" }, "message-invalid"],
    ["the controller's direction", { direction: "controller-to-device" }, "message-invalid"],
    ["another recipient", { recipient: "good-1" }, "message-invalid"],
    ["another sender", { sender: "good-1" }, "message-invalid"],
    ["no sequence", { sequence: undefined }, "message-invalid"],
    [
      "a sequence of another generation",
      { sequence: { generation: 9, stream: "mqtt", counter: 99 } },
      "message-invalid",
    ],
  ])("is refused: %s", async (what, changes, code) => {
    const device = await new AttackerDevice(controller, `odd-${sha256Hex(Buffer.from(what)).slice(0, 8)}`).join();
    const session = await device.operational();
    await expectOnlyRefused(
      async () => expect(await device.askOver(session, event, { changes })).toEqual(refusal(code)),
      ["message.refused"],
    );
    session.stream.destroy();
  });

  it("is refused on the topic of another kind", async () => {
    const device = await new AttackerDevice(controller, "odd-kind").join();
    const session = await device.operational();
    await expectOnlyRefused(
      async () => expect(await device.askOver(session, event, { kind: "ack" })).toEqual(refusal("message-invalid")),
      ["message.refused"],
    );
    session.stream.destroy();
  });

  it("is refused when another device says it, on its own topic and on the author's", async () => {
    const [author, thief] = [await joined("author-1"), await joined("thief-1")];
    const session = await thief.operational();
    const { envelope } = await author.message(event);
    const topic = formatTopic({ type: "up", device: author.id, kind: "event" });
    await expectOnlyRefused(async () => {
      expect(await thief.deliver(session, envelope, { kind: "event" })).toEqual(refusal("message-invalid"));
      session.send(publishPacket({ topic, payload: envelope, packetId: 9 }));
      await session.closed;
    }, ["message.refused"]);
    expect(await author.ask(event)).toEqual({ type: "received" });
  });
});

describe("a message that was seen before", () => {
  it("has its effect once and gets the same answer, also after a restart (I4)", async () => {
    const device = await joined("again-1");
    const next = testSigner("P-256");
    const { envelope, messageId } = await device.message(await device.renewBody(next));
    const session = await device.operational();
    const first = await device.deliver(session, envelope, { kind: "renew", messageId });
    expect(first.type).toBe("issued");
    const left = await controller.unchangedBy(async () => {
      for (let time = 0; time < 3; time++) {
        expect(await device.deliver(session, envelope, { kind: "renew", messageId })).toEqual(first);
      }
    });
    expect(left).toEqual([]);
    session.stream.destroy();
    await controller.restart();
    const again = await device.operational();
    expect(await device.deliver(again, envelope, { kind: "renew", messageId })).toEqual(first);
    again.stream.destroy();
  });

  it("is refused when its id comes again with other content", async () => {
    const device = await joined("again-2");
    const session = await device.operational();
    const { messageId } = await device.message(event);
    const said = { changes: { messageId } };
    expect(await device.askOver(session, event, said)).toEqual({ type: "received" });
    await expectOnlyRefused(async () => {
      const other = { ...event, details: { more: "x" } };
      expect(await device.askOver(session, other, said)).toEqual(refusal("message-replayed"));
    }, ["message.refused"]);
    session.stream.destroy();
  });

  it("is not executed when its counter went back; only the key that holds the identity ends the suspicion", async () => {
    const device = await joined("again-3");
    const session = await device.operational();
    expect(await device.askOver(session, event)).toEqual({ type: "received" });
    const behind = { changes: { sequence: { generation: 1, stream: "mqtt", counter: 1 } as const } };
    const left = await controller.unchangedBy(async () => {
      const asked = await device.askOver(session, await device.renewBody(testSigner("P-256")), behind);
      expect(asked.type).toBe("challenge");
      const wrong: Body = { type: "challenge-response", nonce: randomBytes(32) };
      expect(await device.askOver(session, wrong)).toEqual(refusal("message-replayed"));
      if (asked.type !== "challenge") return;
      const right: Body = { type: "challenge-response", nonce: asked.nonce };
      const forged = { key: testSigner("P-256") };
      expect(await device.askOver(session, right, forged)).toEqual(refusal("signer-not-allowed"));
      expect(await device.askOver(session, right)).toEqual({ type: "received" });
      expect(await device.askOver(session, right)).toEqual(refusal("message-replayed"));
    });
    expect(left.map(({ action }) => action)).toEqual([
      "clone.suspected",
      "message.refused",
      "message.refused",
      "clone.cleared",
      "message.refused",
    ]);
    expect(await device.askOver(session, event)).toEqual({ type: "received" });
    session.stream.destroy();
  });
});

describe("a message signed by a key that may not", () => {
  it("is refused: a key nobody knows, another device's key, a broken signature", async () => {
    const device = await joined("forged-1");
    const session = await device.operational();
    const { envelope } = await device.message(event);
    const broken = Uint8Array.from(envelope);
    broken[broken.length - 3] = (broken[broken.length - 3] ?? 0) ^ 1;
    const renewal = await device.renewBody(testSigner("P-256"));
    await expectOnlyRefused(
      async () => {
        const foreign = { key: testSigner("P-256") };
        expect(await device.askOver(session, event, foreign)).toEqual(refusal("signer-not-allowed"));
        expect(await device.askOver(session, event, { key: good.key })).toEqual(refusal("signer-not-allowed"));
        expect(await device.askOver(session, renewal, { key: good.key })).toEqual(refusal("signer-not-allowed"));
        expect(await device.deliver(session, broken, { kind: "event" })).toEqual(refusal("signature-invalid"));
      },
      Array.from({ length: 4 }, () => "message.refused"),
    );
    session.stream.destroy();
  });

  it("is refused: a key that is issued but not proven", async () => {
    const device = new AttackerDevice(controller, "early-1");
    expect(await device.enrol(await controller.claim())).toMatchObject({ type: "issued" });
    const session = await device.operational();
    const renewal = await device.renewBody(testSigner("P-256"));
    await expectOnlyRefused(async () => {
      expect(await device.askOver(session, event)).toEqual(refusal("signer-not-allowed"));
      expect(await device.askOver(session, renewal)).toEqual(refusal("signer-not-allowed"));
    }, ["message.refused", "message.refused"]);
    session.stream.destroy();
  });

  it("is refused: a key that is retired, over the session of its successor and over its own", async () => {
    const device = await joined("retired-1");
    const old = await device.rotate();
    await sleep(5);
    const session = await device.operational();
    const renewal = await device.renewBody(testSigner("P-256"));
    const sequence = { generation: 1, stream: "mqtt", counter: 1_000 } as const;
    const byOldKey = { key: old.key, changes: { sequence } };
    await expectOnlyRefused(async () => {
      expect(await device.askOver(session, event, byOldKey)).toEqual(refusal("signer-not-allowed"));
      expect(await device.askOver(session, renewal, byOldKey)).toEqual(refusal("signer-not-allowed"));
    }, ["message.refused", "message.refused"]);
    session.stream.destroy();
    const yesterday = Object.assign(new AttackerDevice(controller, device.id), old, { chain: device.chain });
    await expect(yesterday.operational()).rejects.toThrow("answered with 5");
  });

  it("is refused: a revoked key, and a key whose certificate alone was revoked", async () => {
    const [device, single] = [await joined("revoked-1"), await joined("revoked-2")];
    const { revocations, certificates } = controller.running.operations;
    await revocations.revoke(administrator, { device: device.id, reason: "keyCompromise" });
    const { serial } = await certificates.show(administrator, sha256Hex(single.certificate));
    await revocations.revoke(administrator, { serial, reason: "superseded" });
    for (const [one, code] of [
      [device, "device-suspended"],
      [single, "credential-revoked"],
    ] as const) {
      await expect(one.operational()).rejects.toThrow("answered with 5");
      const session = await one.bootstrap();
      const renewal = await one.renewBody(testSigner("P-256"));
      await expectOnlyRefused(
        async () => expect(await one.askBootstrap(session, renewal)).toEqual(refusal(code)),
        ["message.refused"],
      );
      session.stream.destroy();
    }
  });
});

const joined = (id: string): Promise<AttackerDevice> => new AttackerDevice(controller, id).join();

/** The first field of a message is its version. */
function otherVersion(payload: Uint8Array): Uint8Array {
  expect([...payload.subarray(0, 2)]).toEqual([0x08, 1]);
  return Uint8Array.from(payload, (octet, at) => (at === 1 ? 2 : octet));
}
