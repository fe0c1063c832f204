import { describe, expect, it } from "vitest";
import { Turns } from "./turns.ts";

describe("turns", () => {
  it("run work of one key in order, also when some of it fails", async () => {
    const turns = new Turns({ maxWaiting: 8 });
    const seen: number[] = [];
    const results = await Promise.allSettled(
      [1, 2, 3].map((number) =>
        turns.take("a", async () => {
          await Promise.resolve();
          seen.push(number);
          if (number === 2) throw new Error("two");
          return number;
        }),
      ),
    );
    expect(seen).toEqual([1, 2, 3]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });

  it("let work of another key pass", async () => {
    const turns = new Turns({ maxWaiting: 8 });
    const gate = Promise.withResolvers<void>();
    const slow = turns.take("a", () => gate.promise);
    expect(await turns.take("b", async () => "passed")).toBe("passed");
    gate.resolve();
    await slow;
  });

  it("refuse when too much waits, and take work again afterwards", async () => {
    const turns = new Turns({ maxWaiting: 2 });
    const gate = Promise.withResolvers<void>();
    const waiting = [turns.take("a", () => gate.promise), turns.take("a", async () => undefined)];
    await expect(turns.take("a", async () => undefined)).rejects.toMatchObject({ code: "rate-limited", retry: true });
    gate.resolve();
    await Promise.all(waiting);
    expect(await turns.take("a", async () => "again")).toBe("again");
  });
});
