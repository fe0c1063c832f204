import { describe, expect, it, vi } from "vitest";
import { systemTimer } from "./system.ts";

describe("the machine's timer", () => {
  it("sleeps longer than one timer of the machine can", async () => {
    const longest = 2 ** 31 - 1;
    const armed: (number | undefined)[] = [];
    const setTimeout = vi.spyOn(globalThis, "setTimeout").mockImplementation((act, duration) => {
      armed.push(duration);
      queueMicrotask(act as () => void);
      return {} as NodeJS.Timeout;
    });
    try {
      await systemTimer.sleep(longest + 5_000, new AbortController().signal);
    } finally {
      setTimeout.mockRestore();
    }
    expect(armed).toEqual([longest, 5_000]);
  });

  it("rejects with the reason it was told to stop for, at once when that was before", async () => {
    const stop = new AbortController();
    const sleeping = systemTimer.sleep(60_000, stop.signal);
    stop.abort("enough");
    await expect(sleeping).rejects.toBe("enough");
    await expect(systemTimer.sleep(0, stop.signal)).rejects.toBe("enough");
  });
});
