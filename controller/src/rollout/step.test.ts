import { describe, expect, it } from "vitest";
import { aRollout } from "../../../test/contracts/store-records.ts";
import { type DeviceFacts, stepRollout } from "./step.ts";

const hour = 3_600_000;
const now = 1_800_000_000_000;
const rollout = aRollout({
  waves: [
    { name: "10 %", devices: 2 },
    { name: "100 %", devices: 18 },
  ],
  gates: { provenPercent: 90, maxFailures: 0, within: hour, soak: 10 * 60_000 },
  waveStartedAt: now - 60_000,
});

const device = (some: Partial<DeviceFacts> = {}): DeviceFacts => ({
  ...{
    device: "edge-1",
    wave: 0,
    state: "asked",
    isProven: false,
    failure: undefined,
    wasInContact: true,
    isAble: true,
    connectivity: "always",
  },
  ...some,
});

describe("the step of a rollout", () => {
  it("asks who waits in the present wave, and nobody else", () => {
    const facts = [
      device({ state: "waiting", wasInContact: false }),
      device({ device: "edge-2", state: "waiting", isAble: false }),
    ];
    expect(stepRollout(rollout, facts, now)).toEqual([
      { do: "mark", device: "edge-2", state: "skipped", reason: "suspended or retired" },
      { do: "ask", devices: ["edge-1"] },
    ]);
  });

  it("rolls back at the first failure more than is borne, also while others wait to be asked", () => {
    const facts = [
      device({ failure: "it reports hook-failed: no" }),
      device({ device: "edge-2", state: "waiting" }),
      device({ device: "edge-3", state: "asked", isProven: true }),
    ];
    const decisions = stepRollout(rollout, facts, now);
    expect(decisions.map((one) => one.do)).toEqual(["mark", "mark", "roll-back"]);
    expect(decisions.at(-1)).toMatchObject({ reason: expect.stringContaining("edge-1: it reports hook-failed: no") });
    const borne = { ...rollout, gates: { ...rollout.gates, maxFailures: 1 } };
    expect(stepRollout(borne, facts, now).map((one) => one.do)).toEqual(["mark", "mark", "ask"]);
  });

  it("judges failures while it is paused, and asks nobody", () => {
    const paused = { ...rollout, state: "paused" as const };
    const facts = [device({ failure: "it reports hook-failed: no" }), device({ device: "edge-2", state: "waiting" })];
    expect(stepRollout(paused, facts, now).map((one) => one.do)).toEqual(["mark", "roll-back"]);
    const fine = [device({ isProven: true }), device({ device: "edge-2", state: "waiting" })];
    expect(stepRollout(paused, fine, now).map((one) => one.do)).toEqual(["mark"]);
  });

  it("counts failures of earlier waves too: a canary that comes back late still stops it", () => {
    const second = { ...rollout, wave: 1 };
    const facts = [
      device({ wave: 0, failure: "it reports path-invalid" }),
      device({ device: "edge-2", wave: 1, state: "waiting" }),
    ];
    expect(stepRollout(second, facts, now).map((one) => one.do)).toEqual(["mark", "roll-back"]);
  });

  it("watches a wave that has passed for the soak, then begins the next, then completes", () => {
    const proven = [device({ state: "proven", isProven: true })];
    expect(stepRollout(rollout, proven, now)).toEqual([{ do: "soak", since: now }]);
    const soaking = { ...rollout, soakingSince: now };
    expect(stepRollout(soaking, proven, now + 9 * 60_000)).toEqual([]);
    expect(stepRollout(soaking, proven, now + 10 * 60_000)).toEqual([{ do: "begin-wave", wave: 1 }]);
    const last = { ...soaking, wave: 1 };
    expect(stepRollout(last, [device({ wave: 1, state: "proven" })], now + hour)).toEqual([{ do: "complete" }]);
  });

  it("does not count those that were not in contact, but does not pass on nobody", () => {
    const away = device({ device: "edge-2", wasInContact: false });
    expect(stepRollout(rollout, [device({ state: "proven" }), away], now)).toEqual([{ do: "soak", since: now }]);
    expect(stepRollout(rollout, [away], now)).toEqual([]);
    expect(stepRollout(rollout, [away], now + hour)).toMatchObject([
      { do: "pause", reason: expect.stringContaining("nobody was in contact") },
    ]);
  });

  it("stops watching when a device that came back has not proven yet", () => {
    const soaking = { ...rollout, soakingSince: now };
    const facts = [device({ state: "proven" }), device({ device: "edge-2" })];
    expect(stepRollout(soaking, facts, now + 1)).toEqual([{ do: "soak", since: undefined }]);
  });

  it("pauses a wave that does not pass in time, and decides nothing for one that is not under way", () => {
    expect(stepRollout(rollout, [device()], now + hour)).toMatchObject([
      { do: "pause", reason: expect.stringContaining("0 of 1") },
    ]);
    for (const state of ["planned", "completed", "aborted", "rolled-back"] as const) {
      expect(
        stepRollout({ ...rollout, state }, [device({ failure: "bad" }), device({ state: "waiting" })], now),
      ).toEqual([]);
    }
  });

  it.each([
    ["always", hour, "pause"],
    ["daily", 47 * hour, undefined],
    ["daily", 48 * hour, "pause"],
    ["courier", 59 * 24 * hour, undefined],
  ] as const)(
    "lets a wave of which nobody came wait as long as a device of class %s may stay away",
    (connectivity, waited, decision) => {
      const away = device({ wasInContact: false, connectivity });
      const begun = { ...rollout, waveStartedAt: now - waited };
      expect(stepRollout(begun, [away], now)[0]?.do).toBe(decision);
      // As soon as one of them came, the others' class is no excuse.
      const came = device({ device: "edge-2", connectivity });
      expect(stepRollout(begun, [away, came], now)[0]?.do).toBe("pause");
    },
  );
});
