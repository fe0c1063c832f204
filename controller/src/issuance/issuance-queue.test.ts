import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IssuanceQueue } from "./issuance-queue.ts";

/** Starts one issuance that ends when the returned function is called. */
function begin(queue: IssuanceQueue, name: string, expiresAt: number | undefined, begun: string[]) {
  const end = Promise.withResolvers<void>();
  const done = queue.take({ expiresAt }, async () => {
    begun.push(name);
    await end.promise;
    return name;
  });
  return { done, end: end.resolve };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("issuances that wait for each other", () => {
  it("go in the order of their need: what ends soonest first, first certificates last", async () => {
    const queue = new IssuanceQueue({ running: 1, waitingFirst: 10 });
    const begun: string[] = [];
    const all = [
      begin(queue, "running", 1, begun),
      begin(queue, "first", undefined, begun),
      begin(queue, "far", 900, begun),
      begin(queue, "near", 100, begun),
      begin(queue, "second", undefined, begun),
      begin(queue, "nearer", 50, begun),
    ];
    for (const one of all) one.end();
    expect(await Promise.all(all.map(({ done }) => done))).toHaveLength(6);
    expect(begun).toEqual(["running", "nearer", "near", "far", "first", "second"]);
  });

  it("go in that order whatever came when, and those that are as urgent as they came", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(fc.nat(5), { nil: undefined }), { maxLength: 40 }), async (ends) => {
        const queue = new IssuanceQueue({ running: 1, waitingFirst: 100 });
        const begun: string[] = [];
        const all = [undefined, ...ends].map((expiresAt, index) => begin(queue, `${index}`, expiresAt, begun));
        for (const one of all) one.end();
        await Promise.all(all.map(({ done }) => done));
        const inTurn = ends
          .map((expiresAt, index) => ({ name: `${index + 1}`, expiresAt: expiresAt ?? 9 }))
          .sort((a, b) => a.expiresAt - b.expiresAt);
        expect(begun).toEqual(["0", ...inTurn.map(({ name }) => name)]);
      }),
      { numRuns: 50 },
    );
  });

  it("turn first certificates away beyond the bound, and never a renewal", async () => {
    const queue = new IssuanceQueue({ running: 1, waitingFirst: 2 });
    const begun: string[] = [];
    const running = begin(queue, "running", 1, begun);
    const waiting = ["a", "b"].map((name) => begin(queue, name, undefined, begun));
    await expect(queue.take({ expiresAt: undefined }, async () => "c")).rejects.toMatchObject({ code: "rate-limited" });
    const renewals = Array.from({ length: 50 }, (_, index) => begin(queue, `renewal-${index}`, 1000 + index, begun));
    for (const one of [running, ...waiting, ...renewals]) one.end();
    await Promise.all([running, ...waiting, ...renewals].map(({ done }) => done));
    expect(begun).toHaveLength(53);
    expect(begun.slice(-2)).toEqual(["a", "b"]);
    expect(await queue.take({ expiresAt: undefined }, async () => "later")).toBe("later");
  });

  it("run at most so many at once, whatever fails, and nobody is forgotten", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ expiresAt: fc.option(fc.nat(9), { nil: undefined }), fails: fc.boolean() }), {
          maxLength: 30,
        }),
        async (orders) => {
          const queue = new IssuanceQueue({ running: 3, waitingFirst: 100 });
          let running = 0;
          const outcomes = await Promise.allSettled(
            orders.map(({ expiresAt, fails }) =>
              queue.take({ expiresAt }, async () => {
                running++;
                expect(running).toBeLessThanOrEqual(3);
                await settle();
                running--;
                if (fails) throw new Error("refused");
              }),
            ),
          );
          const failed = outcomes.filter(({ status }) => status === "rejected").length;
          expect(failed).toBe(orders.filter(({ fails }) => fails).length);
        },
      ),
      { numRuns: 30 },
    );
  });
});
