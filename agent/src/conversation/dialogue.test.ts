import { type Body, decodeEnvelope, decodeMessage, isSignedBy, type Message } from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";
import { beforeEach, describe, expect, it } from "vitest";
import { KeptLog } from "../../../test/support/agent/agent-surroundings.ts";
import { memoryKeyProvider } from "../../../test/support/keys/memory-key-provider.ts";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { ManualTimer } from "../../../test/support/manual-timer.ts";
import { SeededRandom } from "../../../test/support/seeded-random.ts";
import { Dialogue } from "./dialogue.ts";

const signal = new AbortController().signal;
const report: Body = { type: "event", name: "test", at: 1, details: {} };

async function aDialogue() {
  const clock = new ManualClock(1_000_000);
  const timer = new ManualTimer(clock);
  const log = new KeptLog();
  const signer = await memoryKeyProvider().generate({ algorithm: "P-256", label: "device" });
  const sent: { topic: string; payload: Uint8Array; message: Message }[] = [];
  let counter = 0;
  const incoming = new Map<Uint8Array, Message | FleetError>();
  const dialogue = new Dialogue({
    fleet: "plant-7",
    device: "pump-1",
    time: { estimate: () => ({ at: clock.now(), status: "anchored" }), accept: async () => undefined, floor: () => 0 },
    surroundings: { clock, timer, log, random: new SeededRandom(1), failpoint: async () => undefined },
    topicOf: (kind) => `up/${kind}`,
    open: (bytes) => {
      const found = incoming.get(bytes);
      if (found === undefined || found instanceof FleetError) throw found ?? new Error("unknown bytes");
      return found;
    },
    number: async () => ({ generation: 1, stream: "mqtt", counter: ++counter }),
    challengeSigner: signer,
  });
  dialogue.begin({
    async publish(topic, payload) {
      sent.push({ topic, payload, message: decodeMessage(decodeEnvelope(payload).payload) });
    },
    subscribe: async () => undefined,
    unsubscribe: async () => undefined,
    close: async () => undefined,
  });
  const receive = (message: Partial<Message> | FleetError) => {
    const bytes = new Uint8Array([incoming.size]);
    incoming.set(bytes, message instanceof FleetError ? message : ({ kind: "received", ...message } as Message));
    return dialogue.receive(bytes);
  };
  return { dialogue, timer, clock, signer, sent, receive, log };
}

describe("a conversation", () => {
  let world: Awaited<ReturnType<typeof aDialogue>>;
  beforeEach(async () => {
    world = await aDialogue();
  });
  const ask = (patience = 120_000) => world.dialogue.ask(report, { signer: world.signer, patience, signal });
  const settled = (answer: Promise<unknown>) =>
    answer.then(
      (value) => ({ value }),
      (error: FleetError) => ({ code: error.code }),
    );

  it("sends what is signed by the key given, addressed and numbered, and resolves with the answer to it", async () => {
    const answer = ask();
    await world.timer.advance(0);
    const [{ payload, message, topic } = expect.fail("nothing sent")] = world.sent;
    expect(topic).toBe("up/event");
    expect(isSignedBy(decodeEnvelope(payload), world.signer.spki)).toBe(true);
    expect(message).toMatchObject({ fleet: "plant-7", sender: "pump-1", recipient: "controller", body: report });
    expect(message.sequence).toEqual({ generation: 1, stream: "mqtt", counter: 1 });
    expect(message.expiresAt - message.sentAt).toBe(300_000);
    const received = { inReplyTo: message.messageId, body: { type: "received" } } as const;
    expect(world.receive(received)).toBeUndefined();
    expect(await answer).toMatchObject(received);
  });

  it("repeats with pauses that grow, each time under a new id and a higher number, and takes an answer to any of them", async () => {
    const answer = ask(60_000);
    await world.timer.advance(36_000);
    const ids = world.sent.map(({ message }) => message.messageId);
    expect(new Set(ids).size).toBe(4);
    expect(world.sent.map(({ message }) => message.sequence?.counter)).toEqual([1, 2, 3, 4]);
    world.receive({ inReplyTo: ids[1] ?? "", body: { type: "received" } });
    expect(await answer).toMatchObject({ inReplyTo: ids[1] });
    await world.timer.advance(120_000);
    expect(world.sent).toHaveLength(4);
  });

  it("gives up after the patience, and passes over an answer that comes later", async () => {
    const answer = settled(ask(7_000));
    await world.timer.advance(8_000);
    expect(await answer).toEqual({ code: "timeout" });
    const late = { inReplyTo: world.sent[0]?.message.messageId ?? "", body: { type: "received" } } as const;
    expect(world.receive(late)).toMatchObject(late);
  });

  it("is offline once its session ended, for what waits and for what is asked after", async () => {
    const waiting = settled(ask());
    await world.timer.advance(0);
    world.dialogue.end(new Error("cable"));
    expect(await waiting).toEqual({ code: "offline" });
    expect(await settled(ask())).toEqual({ code: "offline" });
  });

  it("believes nothing that does not open", async () => {
    const answer = settled(ask(7_000));
    await world.timer.advance(0);
    world.receive(new FleetError("signature-invalid", "forged"));
    await world.timer.advance(8_000);
    expect(await answer).toEqual({ code: "timeout" });
    expect(world.log.lines.map(({ event }) => event)).toContain("message refused");
  });

  it("answers a challenge, and asks again under a number above the answer's", async () => {
    const answer = ask();
    await world.timer.advance(0);
    world.receive({ kind: "challenge", body: { type: "challenge", nonce: new Uint8Array(16) } });
    await world.timer.advance(0);
    expect(world.sent.map(({ message }) => [message.body.type, message.sequence?.counter])).toEqual([
      ["event", 1],
      ["challenge-response", 2],
      ["event", 3],
    ]);
    world.receive({ inReplyTo: world.sent[2]?.message.messageId ?? "", body: { type: "received" } });
    await answer;
  });

  it("sends in the order of its numbers, however long signing takes", async () => {
    const all = Promise.all(Array.from({ length: 10 }, () => world.dialogue.tell(report, { signer: world.signer })));
    await all;
    expect(world.sent.map(({ message }) => message.sequence?.counter)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it("has a bound on what may wait", async () => {
    const waiting = Array.from({ length: 256 }, () => settled(ask()));
    await world.timer.advance(0);
    expect(await settled(ask())).toEqual({ code: "rate-limited" });
    world.dialogue.end(undefined);
    await Promise.all(waiting);
  });
});
