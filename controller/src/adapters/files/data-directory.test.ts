import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openAnchorFile } from "./anchor-file.ts";
import { createDataDirectory, finishDataDirectory, openDataDirectory, readPassphrase } from "./data-directory.ts";
import { openListArchive } from "./list-archive.ts";
import { writeDurably } from "./write-durably.ts";

let parent: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "fleetcert-files-"));
});

afterEach(async () => {
  await rm(parent, { recursive: true, force: true });
});

describe("a data directory", () => {
  it("is made for its owner only, and opened when it is complete", async () => {
    const root = join(parent, "a", "b");
    const paths = await createDataDirectory(root);
    expect((await stat(root)).mode & 0o777).toBe(0o700);
    await expect(openDataDirectory(root)).rejects.toMatchObject({ code: "data-directory" });
    await writeFile(paths.config, "fleet: a\n");
    await finishDataDirectory(paths);
    expect((await openDataDirectory(root)).store).toBe(join(root, "store.db"));
  });

  it("that is complete is never overwritten", async () => {
    const paths = await createDataDirectory(parent);
    await writeFile(paths.config, "fleet: a\n");
    await finishDataDirectory(paths);
    await expect(createDataDirectory(parent)).rejects.toMatchObject({ code: "already-exists" });
    expect(await readFile(paths.config, "utf8")).toBe("fleet: a\n");
  });

  it("that was left half-done is started over", async () => {
    const paths = await createDataDirectory(parent);
    await writeFile(join(paths.keys, "old.pem"), "old");
    await writeFile(paths.config, "half");
    await createDataDirectory(parent);
    expect(await readdir(paths.keys)).toEqual([]);
    expect(await readdir(parent)).not.toContain("config.yaml");
  });

  it("that holds somebody else's files is left alone", async () => {
    await writeFile(join(parent, "thesis.txt"), "years of work");
    await expect(createDataDirectory(parent)).rejects.toMatchObject({ code: "data-directory" });
    expect(await readdir(parent)).toEqual(["thesis.txt"]);
  });

  it("that is absent, a file, or not there to be made is named with what to do", async () => {
    const file = join(parent, "file");
    await writeFile(file, "");
    for (const root of [join(parent, "absent"), file]) {
      await expect(openDataDirectory(root)).rejects.toMatchObject({ code: "data-directory", hint: expect.any(String) });
    }
    await expect(createDataDirectory(join(file, "below"))).rejects.toMatchObject({ code: "data-directory" });
    await expect(readPassphrase(file)).rejects.toMatchObject({ code: "data-directory" });
  });
});

describe("the anchor file", () => {
  it("keeps the highest value ever raised to, over restarts and races", async () => {
    const path = join(parent, "anchor.json");
    const anchor = await openAnchorFile(path, { create: true });
    await Promise.all([3, 9, 1, 7].map((value) => anchor.raise("epoch/a", value)));
    await anchor.raise("epoch/a", 2);
    const again = await openAnchorFile(path);
    expect([await again.read("epoch/a"), await again.read("epoch/b")]).toEqual([9, 0]);
  });

  it("that is absent or damaged is refused, not taken for a new one", async () => {
    const path = join(parent, "anchor.json");
    await expect(openAnchorFile(path)).rejects.toMatchObject({ code: "data-directory" });
    for (const text of ["", "[]", '{"a": "x"}', '{"a": 1']) {
      await writeFile(path, text);
      await expect(openAnchorFile(path)).rejects.toMatchObject({ code: "store-corrupt" });
    }
  });

  it("keeps its old content when the new cannot be written", async () => {
    const path = join(parent, "sub", "anchor.json");
    await mkdir(join(parent, "sub"));
    const anchor = await openAnchorFile(path, { create: true });
    await anchor.raise("a", 1);
    // A directory in the way fails for root too, which a mode would not.
    await mkdir(`${path}.new`);
    await writeFile(join(`${path}.new`, "in-the-way"), "");
    await expect(anchor.raise("a", 2)).rejects.toMatchObject({ code: "store-failed" });
    expect(await anchor.read("a")).toBe(1);
    expect(await (await openAnchorFile(path)).read("a")).toBe(1);
  });
});

describe("the list archive", () => {
  it("keeps the newest list of each shard of each issuer", async () => {
    const [one, two] = ["1".repeat(64), "2".repeat(64)];
    const directory = join(parent, "crl");
    const archive = openListArchive(directory);
    expect(await archive.list(one)).toEqual([]);
    await archive.save({ issuer: one, shard: 0, der: Uint8Array.of(1) });
    await archive.save({ issuer: one, shard: 0, der: Uint8Array.of(2) });
    await archive.save({ issuer: one, shard: 12, der: Uint8Array.of(3) });
    await archive.save({ issuer: two, shard: 0, der: Uint8Array.of(4) });
    await writeFile(join(directory, "notes.txt"), "mine");
    const lists = await openListArchive(directory).list(one);
    expect(lists.toSorted((a, b) => a.shard - b.shard)).toEqual([
      { shard: 0, der: Uint8Array.of(2) },
      { shard: 12, der: Uint8Array.of(3) },
    ]);
  });
});

describe("a durable write", () => {
  it("gives the mode asked for and leaves nothing aside", async () => {
    const path = join(parent, "file");
    await writeDurably(path, "one");
    await chmod(path, 0o600);
    await writeDurably(path, "two", 0o644);
    expect([await readFile(path, "utf8"), (await stat(path)).mode & 0o777]).toEqual(["two", 0o644]);
    expect(await readdir(parent)).toEqual(["file"]);
  });
});
