import { describe, expect, it } from "vitest";
import { demoDevices } from "./devices.ts";

describe("the demo's fleet", () => {
  it.each([1, 3, 5, 7])("has no special scenes with %i devices", (count) => {
    const devices = demoDevices(count, 1);
    expect(devices).toHaveLength(count);
    expect(
      devices.every(({ role, isRevoked }) => (role === "process" && !isRevoked) || (role === "hosted" && !isRevoked)),
    ).toBe(true);
  });

  it.each([8, 16, 24, 25, 100])("revokes min(3, N/8) of %i devices, none of them a special one", (count) => {
    const devices = demoDevices(count, 2);
    const revoked = devices.filter(({ isRevoked }) => isRevoked);
    expect(revoked).toHaveLength(Math.min(3, Math.floor(count / 8)));
    expect(revoked.every(({ role }) => role === "process" || role === "hosted")).toBe(true);
    expect(revoked.some(({ role }) => role === "process")).toBe(true);
    expect(devices.filter(({ role }) => role !== "hosted")).toHaveLength(5);
    expect(new Set(devices.map(({ id }) => id)).size).toBe(count);
  });

  it("has no wrong clocks where nothing can skew them", () => {
    const devices = demoDevices(25, 1, { hasSkewedClocks: false });
    expect(devices.filter(({ role }) => role.startsWith("clock"))).toEqual([]);
    expect(devices.filter(({ role }) => role !== "hosted")).toHaveLength(5);
  });
});
