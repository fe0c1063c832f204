import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { makeFolder } from "./make-folder.ts";

describe("making a folder", () => {
  let scratch: string | undefined;
  afterEach(async () => {
    if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
  });

  it("makes what is missing above it, and takes one that is there", async () => {
    scratch = await mkdtemp(join(tmpdir(), "fleetcert-folder-"));
    const path = join(scratch, "a", "b", "c");
    await makeFolder(path, 0o700);
    await makeFolder(path, 0o700);
    expect((await stat(path)).mode & 0o777).toBe(0o700);
  });

  it("fails at once where no folder can be, and where a file stands", async () => {
    scratch = await mkdtemp(join(tmpdir(), "fleetcert-folder-"));
    await writeFile(join(scratch, "file"), "");
    await expect(makeFolder("/proc/nowhere/at/all", 0o700)).rejects.toMatchObject({ code: "ENOENT" });
    await expect(makeFolder(join(scratch, "file"), 0o700)).rejects.toMatchObject({ code: "EEXIST" });
    await expect(makeFolder(join(scratch, "file", "below"), 0o700)).rejects.toMatchObject({ code: "ENOTDIR" });
  });
});
