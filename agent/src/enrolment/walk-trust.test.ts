import { beforeAll, describe, expect, it } from "vitest";
import { aBundle, aRoot, signedBundle, type TestCa, testFleet } from "../../../test/support/pki/fleet-trust.ts";
import { walkTrust } from "./walk-trust.ts";

const refused = expect.objectContaining({ code: "trust-invalid" });

describe("the walk of trust", () => {
  let first: TestCa;
  let second: TestCa;
  let envelopes: Uint8Array[];
  beforeAll(async () => {
    first = await aRoot("first");
    second = await aRoot("second");
    const der = [first.certificate.der, second.certificate.der] as const;
    envelopes = [
      await signedBundle(aBundle({ version: 1, roots: [der[0]] }), first),
      await signedBundle(aBundle({ version: 2, roots: der }), first, second),
      await signedBundle(aBundle({ version: 3, roots: [der[1]] }), second),
    ];
  });
  const pin = () => ({ rootSha256: first.certificate.sha256, fleet: testFleet });

  it("leads from the pinned root over every change of roots to the newest bundle", () => {
    const walk = walkTrust(envelopes, pin());
    expect(walk.bundle.version).toBe(3);
    expect(walk.accepted).toHaveLength(3);
  });

  it("begins where trust stands, and passes over what lies before", () => {
    const { bundle } = walkTrust(envelopes.slice(0, 2), pin());
    const walk = walkTrust(envelopes, { bundle });
    expect(walk.bundle.version).toBe(3);
    expect(walk.accepted).toHaveLength(1);
    expect(walkTrust([], { bundle })).toEqual({ bundle, accepted: [] });
  });

  it("does not leap over a change of roots", () => {
    expect(() => walkTrust([envelopes[0] ?? new Uint8Array(), envelopes[2] ?? new Uint8Array()], pin())).toThrow(
      refused,
    );
  });

  it("begins at the first bundle that holds the pinned root, and takes nothing of those before", () => {
    const walk = walkTrust(envelopes, { ...pin(), rootSha256: second.certificate.sha256 });
    expect([walk.bundle.version, walk.accepted.length]).toEqual([3, 2]);
  });

  it("leads nowhere from another root, for another fleet, or without a bundle", async () => {
    const stranger = await aRoot("stranger");
    expect(() => walkTrust(envelopes, { ...pin(), rootSha256: stranger.certificate.sha256 })).toThrow(refused);
    expect(() => walkTrust(envelopes, { ...pin(), fleet: "plant-8" })).toThrow(refused);
    expect(() => walkTrust([], pin())).toThrow(refused);
  });
});
