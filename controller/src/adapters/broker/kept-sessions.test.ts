import { describe, expect, it } from "vitest";
import type { QueuedMessage } from "./client-queue.ts";
import { KeptSessions } from "./kept-sessions.ts";
import { RetainedMessages } from "./retained-messages.ts";

const limits = { keptSessions: 2, subscriptions: 2, queuedMessages: 3, queuedBytes: 100, queuedBytesTotal: 150 };

function aMessage(brokerCounter: number, payload = "x", topic = "t"): QueuedMessage {
  const octets = Buffer.from(payload);
  return {
    cmd: "publish",
    topic,
    payload: octets,
    qos: 1,
    retain: false,
    dup: false,
    brokerId: "b",
    brokerCounter,
    messageId: undefined,
  };
}

const counters = (kept: KeptSessions, client: string): number[] =>
  kept.waitingFor(client).map(({ brokerCounter }) => brokerCounter);

describe("kept sessions", () => {
  it("give up the oldest message of a client beyond its number and octets", () => {
    const kept = new KeptSessions(limits);
    kept.subscribe("a", "t", 1);
    for (let at = 1; at <= 5; at++) kept.enqueue("a", aMessage(at));
    expect(counters(kept, "a")).toEqual([3, 4, 5]);
    kept.enqueue("a", aMessage(6, "y".repeat(97)));
    expect(counters(kept, "a")).toEqual([5, 6]);
    kept.enqueue("a", aMessage(7, "y".repeat(100)));
    expect(counters(kept, "a")).toEqual([5, 6]);
  });

  it("keep nothing more once all clients together reach the bound, and again when one has acknowledged", () => {
    const kept = new KeptSessions(limits);
    for (const client of ["a", "b"]) kept.subscribe(client, "t", 1);
    kept.enqueue("a", aMessage(1, "y".repeat(90)));
    kept.enqueue("b", aMessage(2, "y".repeat(90)));
    expect(counters(kept, "b")).toEqual([]);
    kept.markSent("a", 1, 77);
    expect(kept.acknowledge("a", 77)).toMatchObject({ brokerCounter: 1 });
    kept.enqueue("b", aMessage(3, "y".repeat(90)));
    expect(counters(kept, "b")).toEqual([3]);
  });

  it("mark as duplicate only what has been sent before", () => {
    const kept = new KeptSessions(limits);
    kept.subscribe("a", "t", 1);
    kept.enqueue("a", aMessage(1));
    kept.enqueue("a", aMessage(2));
    kept.markSent("a", 1, 5);
    expect(kept.waitingFor("a").map(({ dup }) => dup)).toEqual([true, false]);
  });

  it("forget the client kept longest beyond the bound of clients, with its subscriptions", () => {
    const kept = new KeptSessions(limits);
    for (const client of ["a", "b", "c"]) kept.subscribe(client, "t", 1);
    expect(kept.subscribersOf("t").map(({ clientId }) => clientId)).toEqual(["b", "c"]);
    expect(kept.subscriptionsOf("a")).toEqual([]);
  });

  it("give a client one copy however many of its filters match", () => {
    const kept = new KeptSessions(limits);
    kept.subscribe("a", "t/#", 1);
    kept.subscribe("a", "t/+", 1);
    kept.subscribe("a", "beyond/the/bound", 1);
    expect(kept.subscribersOf("t/x")).toHaveLength(1);
    expect(kept.subscriptionsOf("a")).toHaveLength(2);
  });
});

describe("retained messages", () => {
  it("are replaced and cleared, and refused beyond their octets without losing any", () => {
    const retained = new RetainedMessages(20);
    retained.store(aMessage(1, "old", "a/b"));
    retained.store(aMessage(2, "new", "a/b"));
    expect(() => retained.store(aMessage(3, "y".repeat(20), "a/c"))).toThrow(
      expect.objectContaining({ code: "store-failed" }),
    );
    expect(retained.under("a/+").map(({ brokerCounter }) => brokerCounter)).toEqual([2]);
    retained.store(aMessage(4, "", "a/b"));
    retained.store(aMessage(5, "y".repeat(17), "a/c"));
    expect(retained.under("#").map(({ brokerCounter }) => brokerCounter)).toEqual([5]);
  });
});
