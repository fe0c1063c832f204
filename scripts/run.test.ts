import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");
const run = (...args: string[]) => spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });

describe("the commands of a newcomer", () => {
  it("are listed when one is unknown or missing, with exit code 2", () => {
    for (const args of [[], ["frobnicate"], ["__proto__"]]) {
      const { status, stdout, stderr } = run("scripts/run.mjs", ...args);
      expect(status).toBe(2);
      expect(stdout).toBe("");
      expect(stderr).toMatch(/^usage: .*\n[\s\S]*demo[\s\S]*test[\s\S]*check[\s\S]*bench/);
    }
  });

  it("are listed on stdout when asked for", () => {
    expect(run("scripts/run.mjs", "--help")).toMatchObject({ status: 0, stderr: "" });
  });

  it("name the benchmarks when one is unknown", () => {
    const { status, stderr } = run("test/bench/run.ts", "frobnicate");
    expect(status).toBe(2);
    expect(stderr).toContain("there is no benchmark frobnicate");
  });
});
