import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseProfiles } from "../config.ts";
import type { Profile } from "./policy.ts";
import { type Profiles, weakeningsOf, withoutWeakenings } from "./weakenings.ts";

const day = 86_400_000;
const base = parseProfiles("{}").get("device") as Profile;
const profilesOf = (...profiles: Partial<Profile>[]): Profiles =>
  new Map(profiles.map((one) => ({ ...base, ...one })).map((one) => [one.name, one]));

const names = ["device", "web", "gate"] as const;
const aProfile = fc.record({
  name: fc.constantFrom(...names),
  keyAlgorithms: fc.subarray(["P-256", "P-384", "RSA-3072"] as const, { minLength: 1 }),
  protections: fc.subarray(["software", "token", "attested"] as const, { minLength: 1 }),
  mayLoseAttestation: fc.boolean(),
  validity: fc.integer({ min: 1, max: 4 }).map((days) => days * day),
  backdate: fc.integer({ min: 0, max: 2 }),
  extendedKeyUsage: fc.subarray(["clientAuth", "serverAuth"] as const, { minLength: 1 }),
  alternativeNames: fc.subarray(["{device}.example", "localhost"]),
  slots: fc.dictionary(fc.constantFrom("web", "opcua"), fc.constantFrom(...names)),
  renewAt: fc.constantFrom(0.5, 0.6),
});
const someProfiles = fc.array(aProfile, { maxLength: 4 }).map((list) => profilesOf(...list));

describe("profiles that are weaker", () => {
  it.each<[string, Partial<Profile>, boolean]>([
    ["keyAlgorithms", { keyAlgorithms: ["P-256", "RSA-2048"] }, true],
    ["protections", { protections: ["token"] }, false],
    ["mayLoseAttestation", { mayLoseAttestation: true }, true],
    ["validity", { validity: 91 * day }, true],
    ["validity", { validity: 89 * day }, false],
    ["backdate", { backdate: 2 * 3_600_000 }, true],
    ["extendedKeyUsage", { extendedKeyUsage: ["serverAuth"] }, true],
    ["alternativeNames", { alternativeNames: ["localhost"] }, true],
    ["slots", { slots: { web: "device" } }, true],
    ["renewAt", { renewAt: 0.1, renewalDisabled: true, maintenance: [] }, false],
  ])("are known by each setting that lets more through: %s", (setting, change, isWeaker) => {
    const found = weakeningsOf(profilesOf(base), profilesOf(change));
    expect(found.map((one) => one.setting)).toEqual(isWeaker ? [setting] : []);
  });

  it("are new ones too, unless one in force lets as much through; proof instead of a claim is none", () => {
    const inForce = profilesOf({ protections: ["token"] }, { name: "long", validity: 400 * day });
    expect(weakeningsOf(inForce, profilesOf({ protections: ["token", "attested"] }, { name: "long" }))).toEqual([]);
    const wider = profilesOf({ protections: ["token"] }, { name: "wide", validity: 500 * day });
    expect(weakeningsOf(inForce, wider)).toMatchObject([{ profile: "wide", setting: "" }]);
    expect([...withoutWeakenings(inForce, wider).keys()]).toEqual(["device"]);
  });

  it("keep what they weaken as it was and take the rest, whatever is wanted", () => {
    let weaker = 0;
    fc.assert(
      fc.property(someProfiles, someProfiles, (inForce, wanted) => {
        const taken = withoutWeakenings(inForce, wanted);
        const found = weakeningsOf(inForce, wanted);
        expect(weakeningsOf(inForce, taken)).toEqual([]);
        if (found.length === 0) for (const one of wanted.values()) expect(taken.get(one.name)).toEqual(one);
        weaker += Math.min(found.length, 1);
        for (const { name, renewAt, validity } of taken.values()) {
          const known = wanted.get(name);
          if (known === undefined) continue;
          expect(renewAt).toBe(known.renewAt);
          const before = inForce.get(name);
          if (before !== undefined) expect(validity).toBe(Math.min(known.validity, before.validity));
        }
        // At the next start the same file brings nothing more.
        expect([...withoutWeakenings(taken, wanted).values()]).toEqual([...taken.values()]);
      }),
      { numRuns: 300 },
    );
    expect(weaker).toBeGreaterThan(50);
  });
});
