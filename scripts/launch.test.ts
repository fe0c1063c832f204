import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");

describe.each(["controller/bin/fleetcert.mjs", "agent/bin/fleetcert-agent.mjs"])("the launcher %s", (launcher) => {
  const start = (...args: string[]) =>
    spawnSync(process.execPath, [join(root, launcher), ...args], { cwd: "/", encoding: "utf8" });

  it("starts its program from any folder, without a warning of Node's", () => {
    const { status, stdout, stderr } = start("--help");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("Usage: fleetcert");
  });

  it("ends without a trace when nobody reads what it prints any more, whoever was quicker", () => {
    const script = '{ "$0" "$1" --help; echo "exit $?" >&2; } | true';
    const { stderr } = spawnSync("sh", ["-c", script, process.execPath, join(root, launcher)], { encoding: "utf8" });
    expect(stderr).toMatch(/^exit (0|130)\n$/);
  });

  it("returns the program's exit code", () => {
    expect(start("frobnicate").status).toBe(2);
  });
});
