import { describe, expect, it } from "vitest";
import type { Operations } from "../access/operations.ts";
import type { RolloutView } from "../access/rotation-operations.ts";
import { runProgram } from "./program.ts";

const now = Date.UTC(2026, 10, 20, 12);
const hour = 3_600_000;
const none = { waiting: 0, asked: 0, proven: 0, failed: 0, withdrawn: 0, skipped: 0 };

const rollout: RolloutView = {
  ...{ id: "r1", state: "rolled-back", stateReason: "1 failed", slot: "web", filter: "site=berlin", isUrgent: false },
  gates: { provenPercent: 95, maxFailures: 0, within: 24 * hour, soak: hour },
  ...{ spread: 0, wave: 0, waveStartedAt: now, soakingSince: undefined },
  waves: [
    { name: "10 %", devices: 2, offline: 1, states: { ...none, failed: 1, withdrawn: 1 } },
    { name: "100 %", devices: 18, offline: 3, states: { ...none, waiting: 18 } },
  ],
  ...{ createdAt: now, createdBy: "operator:alice", endedAt: now },
  failures: [{ device: "edge-1", wave: "10 %", reason: "it reports hook-failed" }],
};

async function run(...args: string[]) {
  const asked: unknown[] = [];
  const out = { stdout: "", stderr: "" };
  const note = (name: string, answer: unknown) => async (_: unknown, request: unknown) => {
    asked.push([name, request]);
    return answer;
  };
  const rotations = new Proxy(
    {},
    { get: (_, name: string) => note(name, name === "request" ? { requested: 2, until: now + hour } : rollout) },
  );
  const code = await runProgram(args, {
    stdout: (text) => {
      out.stdout += text;
    },
    stderr: (text) => {
      out.stderr += text;
    },
    isInteractive: false,
    confirm: async () => false,
    now: () => now,
    connect: async () => ({ rotations }) as unknown as Operations,
  });
  return { code, asked, ...out };
}

describe("fleetcert rotate", () => {
  it("asks devices that are named, one slot of them, spread over a time", async () => {
    const { code, asked, stdout } = await run(
      "rotate",
      "--device",
      "edge-1",
      "edge-2",
      "--slot",
      "web",
      "--within",
      "1h",
      "--json",
    );
    expect(code).toBe(0);
    const window = { start: now, end: now + hour };
    expect(asked).toEqual([["request", { devices: ["edge-1", "edge-2"], slot: "web", window }]]);
    expect(JSON.parse(stdout)).toEqual({ requested: 2, until: now + hour });
  });

  it("says until when, and with a dry run that nobody was asked", async () => {
    const dry = await run("rotate", "--device", "edge-1", "edge-2", "edge-3", "--dry-run");
    expect(dry.asked).toEqual([
      ["request", { devices: ["edge-1", "edge-2", "edge-3"], slot: "identity", isDryRun: true }],
    ]);
    expect(dry.stdout).toContain("2 devices would be asked for a new certificate of slot identity; 1 suspended");
    expect(dry.stdout).toContain("until 2026-11-20 13:00Z (in 1h)");
  });

  it("plans waves with the subcommand's own options, canaries before sites", async () => {
    const options = [
      "--filter",
      "site=berlin",
      "--slot",
      "web",
      "--waves",
      "1%, 5%,site",
      "--within",
      "2h",
      "--urgent",
    ];
    const { code, asked, stderr } = await run("rotate", "plan", ...options, "--proven", "90", "-o", "table");
    expect(code).toBe(0);
    expect(asked).toEqual([
      [
        "plan",
        {
          ...{ filter: "site=berlin", slot: "web", percents: [1, 5], bySite: true, isUrgent: true },
          ...{ provenPercent: 90, maxFailures: 0, within: 24 * hour, soak: hour, spread: 2 * hour },
        },
      ],
    ]);
    expect(stderr).toContain("fleetcert rotate start r1");
  });

  it("shows waves, offline shares and what failed", async () => {
    const { code, stdout, stderr } = await run("rotate", "status", "r1", "--watch");
    expect(stderr).toMatch(/rolled-back, wave 10 % \(1\/2\): 0\/2 proven, 0 asked, 1 failed, 1 offline/);
    expect(code).toBe(7);
    expect(stdout).toContain("rolled-back (1 failed)");
    expect(stdout).toMatch(/▸ 10 %\s+2\s+1 \(50 %\)/);
    expect(stdout).toContain("failed: edge-1 (wave 10 %): it reports hook-failed");
  });

  it("does not roll back unasked, and refuses waves and selections it cannot read", async () => {
    expect((await run("rotate", "rollback", "r1")).code).toBe(2);
    expect((await run("rotate", "rollback", "r1", "--yes")).asked).toContainEqual(["rollback", "r1"]);
    for (const wrong of [
      ["--waves", "ten"],
      ["--waves", "site,10%"],
      ["--proven", "101"],
    ]) {
      const { code, asked } = await run("rotate", "plan", "--filter", "site=berlin", ...wrong);
      expect([code, asked]).toEqual([2, []]);
    }
    expect((await run("rotate")).code).toBe(2);
    expect((await run("rotate", "--device", "edge-1", "--filter", "site=berlin")).code).toBe(2);
  });
});
