import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { memoryStore } from "../adapters/store/memory/memory-store.ts";
import type { Surroundings } from "../ports.ts";
import { openOutbox } from "./outbox.ts";

function aBox(publish: (topic: string) => Promise<void>) {
  const notices: string[] = [];
  const surroundings: Surroundings = {
    clock: new ManualClock(0),
    random: { bytes: (length) => new Uint8Array(length), fraction: () => 0 },
    notices: { raise: ({ name }) => void notices.push(name) },
    failpoint: async () => undefined,
  };
  const outbox = openOutbox({
    store: memoryStore(),
    surroundings,
    broker: () => ({ publish: ({ topic }) => publish(topic) }),
  });
  const enqueue = (...topics: string[]) =>
    outbox.store.transaction(async (tx) => {
      for (const topic of topics) await tx.outbox.enqueue({ topic, payload: new Uint8Array(), retain: false });
    });
  return { outbox, enqueue, notices };
}

describe("the outbox", () => {
  it("hands over in order, and removes only what was handed over", async () => {
    const seen: string[] = [];
    const { outbox, enqueue } = aBox(async (topic) => void seen.push(topic));
    const topics = Array.from({ length: 200 }, (_, index) => `topic/${index}`);
    await enqueue(...topics);
    await outbox.drain();
    expect(seen).toEqual(topics);
    expect(await outbox.store.transaction((tx) => tx.outbox.list(10))).toEqual([]);
  });

  it("keeps what the broker did not take, says so, and hands it over later (I10)", async () => {
    const seen: string[] = [];
    let isDown = true;
    const { outbox, enqueue, notices } = aBox(async (topic) => {
      if (isDown) throw new Error("the broker is down");
      seen.push(topic);
    });
    await enqueue("a", "b");
    await expect(outbox.drain()).rejects.toThrow("the broker is down");
    expect(notices).toContain("outbox.stuck");
    isDown = false;
    await outbox.drain();
    expect(seen).toEqual(["a", "b"]);
  });

  it("keeps nobody waiting for what comes after the call: while a fleet comes back something always does", async () => {
    let isFlooded = true;
    const { outbox, enqueue } = aBox(async (topic) => {
      await new Promise((resolve) => setImmediate(resolve));
      if (isFlooded) await enqueue(topic);
    });
    await enqueue("mine", "another");
    await outbox.drain();
    expect((await outbox.store.transaction((tx) => tx.outbox.list(10))).length).toBeGreaterThan(0);
    isFlooded = false;
    await outbox.drain();
    expect(await outbox.store.transaction((tx) => tx.outbox.list(10))).toEqual([]);
  });

  it("hands over nothing of a transaction that was rolled back", async () => {
    const seen: string[] = [];
    const { outbox } = aBox(async (topic) => void seen.push(topic));
    const work = outbox.store.transaction(async (tx) => {
      await tx.outbox.enqueue({ topic: "a", payload: new Uint8Array(), retain: false });
      throw new Error("no");
    });
    await expect(work).rejects.toThrow("no");
    await outbox.drain();
    expect(seen).toEqual([]);
  });
});
