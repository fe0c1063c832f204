import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { withLock } from "./lock.mjs";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fleetcert-lock-"));
  file = join(folder, "deeper", "setup.lock");
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("the lock of the set-up", () => {
  it("lets one work at a time and loses none", async () => {
    let atWork = 0;
    const work = async (): Promise<number> => {
      atWork += 1;
      await new Promise(setImmediate);
      expect(atWork).toBe(1);
      atWork -= 1;
      return 1;
    };
    expect(await Promise.all([withLock(file, work), withLock(file, work)])).toEqual([1, 1]);
    expect(existsSync(file)).toBe(false);
  });

  it("overrules a holder that died", async () => {
    await withLock(file, async () => undefined);
    const { pid } = spawnSync(process.execPath, ["--version"]);
    writeFileSync(file, String(pid));
    expect(await withLock(file, async () => "done")).toBe("done");
  });

  it("is given back when the work fails", async () => {
    await expect(withLock(file, () => Promise.reject(new Error("no network")))).rejects.toThrow("no network");
    expect(existsSync(file)).toBe(false);
  });
});
