import type { BodyOf } from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";
import { afterEach, describe, expect, it } from "vitest";
import { KeptLog, SteppedTimer, settled } from "../../../test/support/agent/agent-surroundings.ts";
import { someFacts } from "../../../test/support/agent/report-facts.ts";
import { Reporter } from "./reporter.ts";
import type { ReportFacts } from "./status-report.ts";

let stop: () => Promise<void> = async () => {};
afterEach(() => stop());

describe("the reporter", () => {
  it("reports after a change, once for changes that come together", async () => {
    const { reporter, told, timer } = aReporter();
    for (let times = 0; times < 5; times++) reporter.changed();
    await settled();
    expect([told.length, timer.sleeping]).toEqual([0, [500]]);
    await timer.wakeAll();
    expect(told).toHaveLength(1);
  });

  it("says what is true when it reports, not when it was told of a change", async () => {
    const { reporter, told, timer, world } = aReporter();
    reporter.changed();
    await settled();
    world.facts = someFacts({ desiredVersion: 13 });
    await timer.wakeAll();
    expect(told).toMatchObject([{ desiredVersion: 13 }]);
  });

  it.each([
    [60_000, 0, 54_000],
    [60_000, 0.5, 60_000],
    [60_000, 0.999999, 66_000],
    [1, 0.5, 10_000],
    [10 ** 12, 0.5, 86_400_000],
    [0, 0.5, 900_000],
  ])(
    "reports at the interval asked for (%i ms), spread by ±10 %% (%d), within bounds: %i ms",
    async (interval, fraction, expected) => {
      const { told, timer } = aReporter({ interval, fraction });
      await settled();
      expect(timer.sleeping).toEqual([expected]);
      await timer.wakeAll();
      expect([told.length, timer.sleeping]).toEqual([1, [expected]]);
    },
  );

  it("reports again when something changed while it reported", async () => {
    const { reporter, told, timer, world } = aReporter();
    world.enqueue = async () => {
      world.enqueue = async () => {};
      reporter.changed();
    };
    reporter.changed();
    await settled();
    await timer.wakeAll();
    expect([told.length, timer.sleeping]).toEqual([1, [500]]);
    await timer.wakeAll();
    expect([told.length, timer.sleeping]).toEqual([2, [60_000]]);
  });

  it("goes on after a report that could not be kept", async () => {
    const { reporter, told, timer, world, log } = aReporter();
    world.enqueue = () => Promise.reject(new FleetError("store-failed", "disk full"));
    reporter.changed();
    await settled();
    await timer.wakeAll();
    world.enqueue = async () => {};
    reporter.changed();
    await settled();
    await timer.wakeAll();
    expect(told).toHaveLength(2);
    expect(log.lines).toMatchObject([{ event: "report not kept" }]);
  });

  it("raises the alarm of a stale trust bundle once for each bundle", async () => {
    const { reporter, told, timer, world } = aReporter();
    const reportWith = async (version: number, isStale: boolean) => {
      world.facts = someFacts({ trust: { era: 1, version, isStale } });
      reporter.changed();
      await settled();
      await timer.wakeAll();
    };
    await reportWith(3, true);
    await reportWith(3, true);
    await reportWith(4, false);
    await reportWith(4, true);
    const events = told.filter((body) => body.type === "event");
    expect(events).toMatchObject([
      { name: "trust-stale", details: { version: "3" } },
      { name: "trust-stale", details: { version: "4" } },
    ]);
  });
});

function aReporter({ interval = 60_000, fraction = 0.5 } = {}) {
  const told: (BodyOf<"report"> | BodyOf<"event">)[] = [];
  const world: { facts: ReportFacts; enqueue: () => Promise<void> } = { facts: someFacts(), enqueue: async () => {} };
  const timer = new SteppedTimer();
  const log = new KeptLog();
  const reporter = new Reporter({
    facts: () => world.facts,
    news: {
      enqueue: async (body) => {
        told.push(body);
        await world.enqueue();
      },
    },
    interval: () => interval,
    timer,
    random: { fraction: () => fraction, bytes: (length) => new Uint8Array(length) },
    log,
  });
  const end = new AbortController();
  const run = reporter.run(end.signal);
  stop = async () => {
    end.abort();
    await run;
  };
  return { reporter, told, timer, world, log };
}
