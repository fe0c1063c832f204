import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDuration, parseDuration } from "./duration.ts";

describe("durations", () => {
  it.each([
    ["90d", 7_776_000_000],
    ["1h30m", 5_400_000],
    ["45s", 45_000],
    ["500ms", 500],
    ["5m", 300_000],
    ["1d1h1m1s1ms", 90_061_001],
    ["0s", 0],
  ])("%s is %i ms", (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  it.each(["", "90", "d", "1.5h", "1m1h", "-1d", "1 d", "1w", "999999999999d", "1d "])("refuse %j", (text) => {
    expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: "request-invalid" }));
  });

  it("read back as they were written", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 40), (milliseconds) => {
        expect(parseDuration(formatDuration(milliseconds))).toBe(milliseconds);
      }),
    );
  });

  it("are shown with a sign when they are negative", () => {
    expect(formatDuration(-90_000)).toBe("-1m30s");
    expect(formatDuration(0)).toBe("0s");
  });
});
