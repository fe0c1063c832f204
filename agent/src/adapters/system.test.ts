import { describe, expect, it, vi } from "vitest";
import { systemTimer } from "./system.ts";

describe("the machine's timer", () => {
  it("sleeps longer than one timer of the machine can", async () => {
    vi.useFakeTimers();
    try {
      const longest = 2 ** 31 - 1;
      let isAwake = false;
      const sleeping = systemTimer.sleep(longest + 5_000, new AbortController().signal).then(() => {
        isAwake = true;
      });
      await vi.advanceTimersByTimeAsync(longest + 4_999);
      expect(isAwake).toBe(false);
      await vi.advanceTimersByTimeAsync(2);
      await sleeping;
    } finally {
      vi.useRealTimers();
    }
  });

  it("rejects with the reason it was told to stop for, at once when that was before", async () => {
    const stop = new AbortController();
    const sleeping = systemTimer.sleep(60_000, stop.signal);
    stop.abort("enough");
    await expect(sleeping).rejects.toBe("enough");
    await expect(systemTimer.sleep(0, stop.signal)).rejects.toBe("enough");
  });
});
