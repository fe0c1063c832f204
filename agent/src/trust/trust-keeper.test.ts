import type { TrustBundle } from "@fleetcert/proto";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { KeptLog } from "../../../test/support/agent/agent-surroundings.ts";
import { CrashingStateStore, PowerCut } from "../../../test/support/agent/crashing-state-store.ts";
import {
  aBundle,
  anIssuer,
  aRoot,
  signedBundle,
  type TestCa,
  testFleet,
  testNow,
} from "../../../test/support/pki/fleet-trust.ts";
import { openTrustKeeper, type Pin } from "./trust-keeper.ts";

let root: TestCa;
let second: TestCa;
let third: TestCa;
let issuer: TestCa;
let pin: Pin;

beforeAll(async () => {
  [root, second, third] = (await Promise.all([aRoot("One"), aRoot("Two"), aRoot("Three")])) as [TestCa, TestCa, TestCa];
  issuer = await anIssuer(root);
  pin = { rootSha256: root.certificate.sha256, fleet: testFleet };
});

describe("the trust keeper", () => {
  it("trusts nothing before enrolment, and nothing without a pin", async () => {
    const trust = await open(new CrashingStateStore(), { pin: undefined });
    expect([trust.current(), trust.status(testNow)]).toEqual([undefined, "untrusting"]);
    await expect(trust.accept(await bundle(1))).rejects.toThrow(refused);
  });

  it("begins at the pin and keeps the bundle across a restart without it", async () => {
    const state = new CrashingStateStore();
    const accepted = await (await open(state)).accept(await bundle(3));
    const restarted = await open(state.restart(), { pin: undefined });
    expect(restarted.current()).toEqual(accepted);
    expect(restarted.issuer(issuer.id)?.sha256).toBe(issuer.certificate.sha256);
    expect(restarted.issuer(root.id)?.sha256).toBe(root.certificate.sha256);
  });

  it("changes nothing and throws nothing for an equal or older bundle", async () => {
    const state = new CrashingStateStore();
    const trust = await open(state);
    await trust.accept(await bundle(3));
    const writes = state.writes;
    for (const version of [3, 2, 1]) expect((await trust.accept(await bundle(version))).version).toBe(3);
    expect(state.writes).toBe(writes);
  });

  it.each([
    ["signed by a stranger", () => bundle(2, { roots: [third] }, third)],
    ["of another fleet", () => bundle(2, { fleet: "elsewhere" })],
    ["with a new root that has not signed", () => bundle(2, { roots: [root, second] }, root)],
    ["cut off", async () => (await bundle(2)).subarray(0, 100)],
    ["that is noise", async () => new Uint8Array(40).fill(0xff)],
  ])("keeps what it trusts when offered a bundle %s", async (_, make) => {
    const state = new CrashingStateStore();
    const trust = await open(state);
    await trust.accept(await bundle(1));
    const writes = state.writes;
    await expect(trust.accept(await make())).rejects.toThrow(expect.objectContaining({ name: "FleetError" }));
    expect([trust.current()?.version, state.writes]).toEqual([1, writes]);
  });

  it("says when its bundle is stale, and still accepts the successor", async () => {
    const trust = await open(new CrashingStateStore());
    await trust.accept(await bundle(1));
    const late = testNow + 366 * 86_400_000;
    expect([trust.status(testNow), trust.status(late)]).toEqual(["trusting", "trust-stale"]);
    expect((await trust.accept(await bundle(2, { expires: late + 1 }))).version).toBe(2);
    expect(trust.status(late)).toBe("trusting");
  });

  it("tells the time keeper the era of every bundle in force, again after a restart", async () => {
    const state = new CrashingStateStore();
    const eras: number[] = [];
    const time = { enterEra: async (era: number) => void eras.push(era) };
    const trust = await open(state, { time });
    await trust.accept(await bundle(1));
    await trust.accept(await bundle(1, { era: 2 }));
    await open(state.restart(), { time });
    expect(eras).toEqual([1, 2, 2]);
  });

  it("reads the other copy when one is damaged, begins again at the pin when both are, and refuses without one", async () => {
    const state = new CrashingStateStore();
    await (await open(state)).accept(await bundle(3));
    state.disk.set("trust/bundle/a", new Uint8Array(50));
    expect((await open(state.restart())).current()?.version).toBe(3);
    for (const copy of ["a", "b"]) state.disk.set(`trust/bundle/${copy}`, new Uint8Array(50));
    const corrupt = expect.objectContaining({ code: "store-corrupt" });
    await expect(open(state.restart(), { pin: undefined })).rejects.toThrow(corrupt);
    expect((await open(state.restart())).current()).toBeUndefined();
  });
});

describe("walking to a bundle several versions ahead", () => {
  const kept = async () =>
    new Map([
      [2, await bundle(2, { roots: [root, second] }, root, second)],
      [4, await bundle(4, { roots: [second, third] }, second, third)],
      [6, await bundle(6, { roots: [third] }, third)],
    ]);

  it("goes through every version that changed roots, in order, passing over those not kept", async () => {
    const versions = await kept();
    const trust = await open(new CrashingStateStore());
    await trust.accept(await bundle(1));
    const asked: number[] = [];
    const end = await trust.walkTo(await bundle(8, { roots: [third] }, third), async (wanted) => {
      asked.push(...wanted);
      return wanted.map((version) => versions.get(version));
    });
    expect(end.version).toBe(8);
    expect(asked).toEqual([2, 3, 4, 5, 6, 7]);
  });

  it("asks for nothing when the roots did not change", async () => {
    const trust = await open(new CrashingStateStore());
    await trust.accept(await bundle(1));
    const walk = trust.walkTo(await bundle(200), () => Promise.reject(new Error("asked")));
    expect((await walk).version).toBe(200);
  });

  it("is not led astray by versions on the way that are forged or noise", async () => {
    const versions = await kept();
    versions.set(3, await bundle(3, { roots: [third] }, third)).set(5, new Uint8Array(9));
    const trust = await open(new CrashingStateStore());
    await trust.accept(await bundle(1));
    const offer = await bundle(8, { roots: [third] }, third);
    expect((await trust.walkTo(offer, async (wanted) => wanted.map((one) => versions.get(one)))).version).toBe(8);
  });

  it("stays where it can get to when a root-changing version is missing", async () => {
    const versions = await kept();
    versions.delete(4);
    const trust = await open(new CrashingStateStore());
    await trust.accept(await bundle(1));
    const offer = await bundle(8, { roots: [third] }, third);
    await expect(trust.walkTo(offer, async (wanted) => wanted.map((one) => versions.get(one)))).rejects.toThrow(
      refused,
    );
    expect(trust.current()?.version).toBe(2);
  });

  it("does not begin a walk of more than 256 versions", async () => {
    const trust = await open(new CrashingStateStore());
    await trust.accept(await bundle(1));
    const offer = await bundle(1_000_000, { roots: [third] }, third);
    await expect(trust.walkTo(offer, () => Promise.reject(new Error("asked")))).rejects.toThrow(refused);
  });

  it("goes on where a power cut stopped it, and never goes back", async () => {
    const versions = await kept();
    const offer = await bundle(8, { roots: [third] }, third);
    const start = await bundle(1);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(4), fc.boolean()), { maxLength: 6 }), async (cuts) => {
        let state = new CrashingStateStore();
        await (await open(state)).accept(start);
        let reached = 1;
        for (const [inWrites, afterDisk] of [...cuts, [1000, false] as const]) {
          state = state.restart();
          const trust = await open(state);
          expect(trust.current()?.version).toBeGreaterThanOrEqual(reached);
          state.cutPower({ inWrites: inWrites + 1, afterDisk });
          const walk = trust.walkTo(offer, async (wanted) => wanted.map((one) => versions.get(one)));
          await walk.catch((error: unknown) => expect(error).toBeInstanceOf(PowerCut));
          reached = trust.current()?.version ?? 0;
        }
        expect(reached).toBe(8);
      }),
      { numRuns: 30 },
    );
  });
});

const refused = expect.objectContaining({ code: "trust-invalid" });

function open(state: CrashingStateStore, changes: Partial<Parameters<typeof openTrustKeeper>[0]> = {}) {
  return openTrustKeeper({ state, pin, time: { enterEra: async () => {} }, log: new KeptLog(), ...changes });
}

function bundle(
  version: number,
  { roots = [root], ...changes }: Omit<Partial<TrustBundle>, "roots"> & { roots?: readonly TestCa[] } = {},
  ...signers: TestCa[]
): Promise<Uint8Array> {
  const issuers = [issuer.certificate.der];
  const made = aBundle({ version, issuers, ...changes, roots: roots.map(({ certificate }) => certificate.der) });
  return signedBundle(made, ...(signers.length === 0 ? [root] : signers));
}
