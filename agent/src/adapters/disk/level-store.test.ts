import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { stateStoreContract } from "../../../../test/contracts/state-store.ts";
import { type OpenStateStore, openLevelStore } from "./level-store.ts";

let directory: string;
let opened: OpenStateStore | undefined;

const begin = async () => {
  directory = await mkdtemp(join(tmpdir(), "fleetcert-state-"));
};
const open = async () => {
  await opened?.close();
  opened = await openLevelStore(join(directory, "state"));
  return opened;
};

afterEach(async () => {
  await opened?.close();
  opened = undefined;
  await rm(directory, { recursive: true, force: true });
});

stateStoreContract("level", { begin, open });

describe("the level store", () => {
  beforeEach(begin);

  it("keeps its directory to its owner", async () => {
    await open();
    expect((await stat(join(directory, "state"))).mode & 0o077).toBe(0);
  });

  it("says that another agent holds the directory", async () => {
    await open();
    await expect(openLevelStore(join(directory, "state"))).rejects.toMatchObject({ code: "conflict" });
  });

  it("says which directory cannot be used", async () => {
    await writeFile(join(directory, "state"), "a file");
    await expect(openLevelStore(join(directory, "state"))).rejects.toMatchObject({ code: "data-directory" });
  });

  it("never gives back a value that was changed on the disk", async () => {
    const store = await open();
    const secret = "a value long enough to be found again".repeat(3);
    await store.write([{ put: "a", value: new TextEncoder().encode(secret) }]);
    await store.close();
    opened = undefined;
    expect(await flipByteOf(join(directory, "state"), secret)).toBe(true);
    const again = await openLevelStore(join(directory, "state")).catch((error: unknown) => error);
    if (again instanceof Error) {
      expect(again).toMatchObject({ code: "store-corrupt" });
      return;
    }
    opened = again as OpenStateStore;
    const read = await opened.read("a").catch((error: unknown) => error);
    // The log of level drops a damaged tail, as after a torn write; it must never come back changed.
    if (read !== undefined) expect(read).toMatchObject({ code: "store-corrupt" });
  });
});

async function flipByteOf(state: string, text: string): Promise<boolean> {
  for (const name of await readdir(state)) {
    const path = join(state, name);
    const bytes = await readFile(path);
    const at = bytes.indexOf(text);
    if (at < 0) continue;
    bytes[at] = (bytes[at] ?? 0) ^ 0xff;
    await writeFile(path, bytes);
    return true;
  }
  return false;
}
