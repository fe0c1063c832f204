import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { outputDirectory } from "./output-directory.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "fleetcert-output-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe("the output directory", () => {
  it("is made when it is missing, and holds whole files only", async () => {
    const files = outputDirectory(join(directory, "certificates"));
    await files.write("identity.pem", "one");
    await files.write("identity.pem", "two");
    expect(await readFile(join(directory, "certificates", "identity.pem"), "utf8")).toBe("two");
    expect(await readdir(join(directory, "certificates"))).toEqual(["identity.pem"]);
  });

  it("keeps the file there was when the new one cannot be written", async () => {
    const files = outputDirectory(directory);
    await files.write("identity.pem", "one");
    await writeFile(join(directory, "blocked"), "a file where a directory should be");
    await expect(outputDirectory(join(directory, "blocked")).write("a", "b")).rejects.toMatchObject({
      code: "data-directory",
    });
    expect(await readFile(join(directory, "identity.pem"), "utf8")).toBe("one");
  });
});
