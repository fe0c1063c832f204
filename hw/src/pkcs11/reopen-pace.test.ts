import { afterEach, describe, expect, it, vi } from "vitest";
import { ReopenPace } from "./reopen-pace.ts";

describe("opening a lost token again", () => {
  afterEach(() => void vi.restoreAllMocks());

  it("is tried at once, then ever more slowly, and at once again after it succeeded", () => {
    let now = 0;
    vi.spyOn(process.hrtime, "bigint").mockImplementation(() => BigInt(now) * 1_000_000n);
    const pace = new ReopenPace();
    const attempts: number[] = [];
    for (; now < 300_000; now += 50) {
      try {
        pace.require("card");
      } catch (error) {
        expect(error).toMatchObject({
          ...{ code: "key-store-unavailable", retry: true },
          message: expect.stringContaining("CKR_TOKEN_NOT_PRESENT"),
        });
        continue;
      }
      attempts.push(now);
      pace.failed(new Error("CKR_TOKEN_NOT_PRESENT"));
    }
    expect(attempts.slice(0, 5)).toEqual([0, 50, 100, 150, 1750]);
    expect(attempts.length).toBeLessThan(20);
    expect(pace.isWaiting).toBe(true);
    pace.succeeded();
    expect(pace.isWaiting).toBe(false);
    expect(() => pace.require("card")).not.toThrow();
  });
});
