import { describe, expect, it } from "vitest";
import { DeviceId, isDeviceId, parseDeviceId } from "./device-id.ts";

describe("device ids", () => {
  it.each(["a", "0", "device-1", "a.b_c-d", "x".repeat(64)])("take %s", (text) => {
    expect(isDeviceId(text)).toBe(true);
    expect(parseDeviceId(text)).toBe(text);
    expect(DeviceId.parse(text)).toBe(text);
  });

  it.each(["", "-a", ".a", "_a", "A", "a/b", "a+", "a#", "a\n", "ä", "x".repeat(65)])("refuse %j", (text) => {
    expect(isDeviceId(text)).toBe(false);
    expect(() => parseDeviceId(text)).toThrow(expect.objectContaining({ code: "request-invalid" }));
  });
});
