import { describe, expect, it } from "vitest";
import { KeptLog } from "../../../test/support/agent/agent-surroundings.ts";
import { CrashingStateStore, PowerCut } from "../../../test/support/agent/crashing-state-store.ts";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { testNow } from "../../../test/support/pki/fleet-trust.ts";
import { openTimeKeeper } from "./time-keeper.ts";

const day = 86_400_000;
const buildTime = testNow - 100 * day;

const open = (state: CrashingStateStore, clock = new ManualClock(testNow), log = new KeptLog()) =>
  openTimeKeeper({ clock, state, buildTime, log });

describe("the time keeper", () => {
  it("begins at the build time and believes a wall clock above it", async () => {
    const time = await open(new CrashingStateStore());
    expect(time.floor()).toBe(buildTime);
    expect(time.estimate()).toEqual({ at: testNow, status: "unverified" });
  });

  it("keeps the floor across a restart with the wall clock at 1970", async () => {
    const state = new CrashingStateStore();
    await (await open(state)).accept(testNow, "token");
    const restarted = await open(state.restart(), new ManualClock(0));
    expect(restarted.floor()).toBe(testNow);
    expect(restarted.estimate()).toEqual({ at: testNow, status: "unknown" });
    expect(restarted.clockOffset()).toBe(-testNow);
  });

  it("reports how far the wall clock is off once it is anchored", async () => {
    const time = await open(new CrashingStateStore(), new ManualClock(testNow + 2 * day));
    expect(time.clockOffset()).toBe(0);
    await time.accept(testNow, "token");
    expect(time.clockOffset()).toBe(2 * day);
  });

  it.each([
    ["before it reached the disk", false, buildTime],
    ["after it reached the disk", true, testNow],
  ])("is cut off while writing the floor, %s: the floor is one of both, never lost", async (_, afterDisk, expected) => {
    const state = new CrashingStateStore();
    state.cutPower({ inWrites: 1, afterDisk });
    await expect((await open(state)).accept(testNow, "token")).rejects.toThrow(PowerCut);
    expect((await open(state.restart())).floor()).toBe(expected);
  });

  it("heals a damaged copy of the floor", async () => {
    const state = new CrashingStateStore();
    await (await open(state)).accept(testNow, "token");
    state.disk.set("time/floor/a", new Uint8Array(3));
    expect((await open(state.restart(), new ManualClock(0))).floor()).toBe(testNow);
    state.disk.set("time/floor/b", new Uint8Array(40));
    expect((await open(state.restart(), new ManualClock(0))).floor()).toBe(testNow);
  });

  it("starts from the build time, and says so, when both copies are damaged", async () => {
    const state = new CrashingStateStore();
    await (await open(state)).accept(testNow, "token");
    for (const copy of ["a", "b"]) state.disk.set(`time/floor/${copy}`, new Uint8Array(40));
    const log = new KeptLog();
    expect((await open(state.restart(), new ManualClock(0), log)).floor()).toBe(buildTime);
    expect(log.lines).toMatchObject([{ level: "error", event: "time floor lost" }]);
  });

  it("is lowered by a higher era only, durably and once", async () => {
    const state = new CrashingStateStore();
    const time = await open(state, new ManualClock(testNow + 400 * day));
    await time.enterEra(1, testNow);
    await time.accept(testNow + 400 * day, "token");
    await time.enterEra(1, testNow);
    expect(time.floor()).toBe(testNow + 400 * day);
    await time.enterEra(2, testNow + day);
    const restarted = await open(state.restart());
    await restarted.enterEra(2, testNow + 50 * day);
    expect(restarted.floor()).toBe(testNow + day);
  });

  it("refuses what is no time and changes nothing", async () => {
    const state = new CrashingStateStore();
    const time = await open(state);
    for (const wrong of [-1, Number.NaN, 2 ** 60, 1.5]) {
      await expect(time.accept(wrong, "token")).rejects.toThrow(expect.objectContaining({ code: "message-invalid" }));
    }
    expect([time.estimate().status, state.writes]).toEqual(["unverified", 0]);
  });

  it("takes times that come at once one after the other", async () => {
    const time = await open(new CrashingStateStore());
    await Promise.all([testNow + 3 * day, testNow, testNow + 2 * day].map((at) => time.accept(at, "message")));
    expect(time.floor()).toBe(testNow + 3 * day);
  });
});
