import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

// A copy, because building in place would pull the addon from under the other tests.
const copy = mkdtempSync(join(tmpdir(), "fleetcert-build-"));
afterAll(() => rmSync(copy, { recursive: true }));
cpSync(join(import.meta.dirname, "build-native.mjs"), join(copy, "build-native.mjs"));
cpSync(join(import.meta.dirname, "native"), join(copy, "native"), {
  recursive: true,
  filter: (path) => !path.includes("/native/build"),
});

const build = (env: NodeJS.ProcessEnv, ...args: string[]) => {
  const { status, stdout } = spawnSync(process.execPath, [join(copy, "build-native.mjs"), ...args], {
    env,
    encoding: "utf8",
  });
  return { status, lines: stdout.trim().split("\n") };
};

describe("building the native part", () => {
  it("is skipped with one clear line, and success, where there is no compiler", () => {
    const { status, lines } = build({ PATH: "/nowhere" });
    expect(status).toBe(0);
    expect(lines).toEqual([
      expect.stringMatching(/a C compiler, make, python3 not found.*apt-get install build-essential/),
    ]);
    expect(existsSync(join(copy, "native/build"))).toBe(false);
  });

  it("fails where there is no compiler and it is required", () => {
    expect(build({ PATH: "/nowhere" }, "--required").status).toBe(1);
  });
});
