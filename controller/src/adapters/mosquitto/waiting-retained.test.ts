import { describe, expect, it } from "vitest";
import type { OutgoingMessage } from "./broker-link.ts";
import { WaitingRetained } from "./waiting-retained.ts";

const message = (topic: string, text: string, retain = true): OutgoingMessage => ({
  ...{ topic, retain, payload: Buffer.from(text) },
});

describe("retained messages that wait for a broker", () => {
  it("are handed over in order, the newest of each topic, and others are not kept", async () => {
    const waiting = new WaitingRetained();
    for (const [topic, text] of ["a1", "b1", "a2"].map((both) => [both.slice(0, 1), both] as const))
      waiting.keep(message(topic, text));
    waiting.keep(message("c", "c1", false));
    const handed: string[] = [];
    await waiting.handOver(async ({ payload }) => void handed.push(Buffer.from(payload).toString()));
    expect(handed).toEqual(["b1", "a2"]);
    await waiting.handOver(async () => expect.unreachable());
  });

  it("stay when they cannot be handed over, unless something newer came meanwhile", async () => {
    const waiting = new WaitingRetained();
    waiting.keep(message("a", "a1"));
    waiting.keep(message("b", "b1"));
    const fails = waiting.handOver(async ({ topic }) => {
      if (topic === "b") throw new Error("away");
      waiting.keep(message("a", "a2"));
    });
    await expect(fails).rejects.toThrow("away");
    const handed: string[] = [];
    await waiting.handOver(async ({ payload }) => void handed.push(Buffer.from(payload).toString()));
    expect(handed).toEqual(["b1", "a2"]);
  });
});
