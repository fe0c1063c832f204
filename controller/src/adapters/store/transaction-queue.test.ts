import { describe, expect, it } from "vitest";
import { TransactionQueue } from "./transaction-queue.ts";

describe("transaction queue", () => {
  it("refuses more work than it may keep, and takes work again once it has moved on", async () => {
    const queue = new TransactionQueue();
    const gate = Promise.withResolvers<void>();
    const first = queue.run(() => gate.promise);
    await Promise.resolve();
    const waiting = Array.from({ length: 65_536 }, () => queue.run(async () => 1));
    await expect(queue.run(async () => 2)).rejects.toMatchObject({ code: "rate-limited", retry: true });
    gate.resolve();
    await first;
    expect(await Promise.all(waiting)).toHaveLength(65_536);
    await expect(queue.run(async () => 3)).resolves.toBe(3);
  });

  it("goes on after work that throws", async () => {
    const queue = new TransactionQueue();
    const failed = queue.run(async () => Promise.reject(new Error("one")));
    const next = queue.run(async () => "two");
    await expect(failed).rejects.toThrow("one");
    await expect(next).resolves.toBe("two");
  });

  it("lets what a transaction left running start another one once it is over", async () => {
    const queue = new TransactionQueue();
    const later = Promise.withResolvers<void>();
    let left: Promise<string> | undefined;
    await queue.run(async () => {
      left = later.promise.then(() => queue.run(async () => "after"));
    });
    later.resolve();
    await expect(left).resolves.toBe("after");
  });
});
