import { describe, expect, it } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { Sparing } from "./sparing.ts";

function aReader(clock: ManualClock, takes: number) {
  const reads = { count: 0 };
  const read = async (): Promise<number> => {
    reads.count += 1;
    await Promise.resolve();
    clock.advance(takes);
    return reads.count;
  };
  return { reads, read };
}

describe("what is found by reading the whole fleet", () => {
  it("is kept for nine times as long as it took: reading takes a tenth of the time at most", async () => {
    const clock = new ManualClock(0);
    const sparing = new Sparing<number>(clock);
    const { reads, read } = aReader(clock, 1_000);
    const began = clock.monotonic();
    while (clock.monotonic() - began < 100_000) {
      await sparing.find("fleet", read);
      clock.advance(100);
    }
    expect(reads.count).toBeGreaterThanOrEqual(9);
    expect(reads.count * 1_000).toBeLessThanOrEqual((clock.monotonic() - began) / 9);
  });

  it("is found anew at once where that took no time, and about something else", async () => {
    const clock = new ManualClock(0);
    const sparing = new Sparing<number>(clock);
    const quick = aReader(clock, 0);
    expect([await sparing.find("a", quick.read), await sparing.find("a", quick.read)]).toEqual([1, 2]);
    const slow = aReader(clock, 1_000);
    expect([await sparing.find("a", slow.read), await sparing.find("b", slow.read)]).toEqual([1, 2]);
  });

  it("is shared by those who ask while it is being found", async () => {
    const clock = new ManualClock(0);
    const sparing = new Sparing<number>(clock);
    const { reads, read } = aReader(clock, 5);
    const found = await Promise.all(Array.from({ length: 20 }, () => sparing.find("fleet", read)));
    expect(new Set(found)).toEqual(new Set([1]));
    expect(reads.count).toBe(1);
  });

  it("is not kept when it failed", async () => {
    const clock = new ManualClock(0);
    const sparing = new Sparing<number>(clock);
    const { read } = aReader(clock, 5);
    await expect(sparing.find("fleet", () => Promise.reject(new Error("the store is gone")))).rejects.toThrow("gone");
    expect(await sparing.find("fleet", read)).toBe(1);
  });
});
