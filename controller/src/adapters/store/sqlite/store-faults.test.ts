import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, copyFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { aCertificate } from "../../../../../test/contracts/store-records.ts";
import type { Store } from "../../../store-port.ts";
import { openSqliteStore } from "./open-store.ts";

describe("SQLite store", () => {
  let directory: string;
  let path: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "fleetcert-store-"));
    path = join(directory, "store.db");
  });
  afterEach(() => rm(directory, { recursive: true }));

  describe("file", () => {
    it("can be read by its owner only, log included, also when it was wider before", async () => {
      const store = await openSqliteStore({ path });
      await write(store, "a");
      expect(await modes(directory)).toEqual({ "store.db": "600", "store.db-wal": "600" });
      await store.close();
      await chmod(path, 0o644);
      await (await openSqliteStore({ path })).close();
      expect(await modes(directory)).toEqual({ "store.db": "600" });
    });

    it("leaves nothing beside it when it is closed", async () => {
      await (await openSqliteStore({ path })).close();
      expect(await readdir(directory)).toEqual(["store.db"]);
    });

    it("is not made anew when it must be there", async () => {
      await expect(openSqliteStore({ path, create: "never" })).rejects.toMatchObject({ code: "data-directory" });
      expect(await readdir(directory)).toEqual([]);
    });

    it("is refused where it cannot be", async () => {
      await expect(openSqliteStore({ path: directory })).rejects.toMatchObject({ code: "data-directory" });
      await expect(openSqliteStore({ path: join(directory, "no", "store.db") })).rejects.toMatchObject({
        code: "data-directory",
        hint: expect.stringContaining("directory"),
      });
      await writeFile(join(directory, "file"), "");
      await expect(openSqliteStore({ path: join(directory, "file", "store.db") })).rejects.toMatchObject({
        code: "data-directory",
      });
    });
  });

  describe("damage", () => {
    beforeEach(async () => {
      const store = await openSqliteStore({ path });
      await store.transaction(async (tx) => {
        for (let number = 1; number <= 200; number += 1) {
          await tx.certificates.put(aCertificate(number, { der: new Uint8Array(700).fill(number) }));
        }
      });
      await store.close();
    });

    it.each([
      ["is empty", () => truncate(path, 0)],
      ["is cut in its middle", async () => truncate(path, Math.floor((await stat(path)).size / 2))],
      ["lost its last page", async () => truncate(path, (await stat(path)).size - 4096)],
      ["is something else", () => writeFile(path, "-----BEGIN CERTIFICATE-----\n".repeat(500))],
      ["has noise over its pages", () => overwrite(path, 5 * 4096, new Uint8Array(40 * 4096).fill(0xa5))],
    ])("is named with a hint when the file %s", async (_, damage) => {
      await damage();
      const before = await readFile(path);
      await expect(openSqliteStore({ path })).rejects.toMatchObject({
        code: "store-corrupt",
        hint: expect.stringContaining("backup"),
      });
      expect(await readFile(path)).toEqual(before);
    });

    it("of any octets gives a typed error or a store that answers, never a crash", async () => {
      const whole = await readFile(path);
      const damaged = fc.tuple(fc.nat(whole.length - 1), fc.uint8Array({ minLength: 1, maxLength: 64 }));
      const codes = new Set<string>();
      await fc.assert(
        fc.asyncProperty(damaged, async ([at, noise]) => {
          const copy = join(directory, "copy.db");
          await rm(`${copy}-wal`, { force: true });
          await writeFile(copy, whole);
          await overwrite(copy, at, noise);
          codes.add(await verdict(copy));
        }),
        { numRuns: process.env["FLEETCERT_LONG"] === "1" ? 2_000 : 60 },
      );
      expect([...codes].filter((code) => !allowedVerdicts.includes(code))).toEqual([]);
    }, 120_000);

    it("of another program's database is not touched", async () => {
      const foreign = join(directory, "foreign.db");
      const database = new DatabaseSync(foreign);
      database.exec("create table notes (text)");
      database.close();
      await expect(openSqliteStore({ path: foreign })).rejects.toMatchObject({ code: "data-directory" });
      const again = new DatabaseSync(foreign);
      expect(again.prepare("select name from sqlite_schema").all()).toHaveLength(1);
      again.close();
    });
  });

  describe("other processes", () => {
    it("are refused while it is open, and it is not disturbed", async () => {
      const store = await openSqliteStore({ path });
      const verdictOfOther = await output(openAndReport(path));
      expect(verdictOfOther).toEqual(["conflict"]);
      await expect(openSqliteStore({ path })).rejects.toMatchObject({
        code: "conflict",
        hint: expect.stringContaining("serve"),
      });
      await write(store, "still mine");
      await store.close();
      expect(await output(openAndReport(path))).toEqual(["opened"]);
    });

    it("lose nothing that was acknowledged, and no lock stays, when one is killed (I10)", async () => {
      for (let round = 0; round < rounds; round += 1) {
        const acknowledged = await killWhileWriting(path, 20 + 7 * round);
        const store = await openSqliteStore({ path });
        const { count, audit } = await store.transaction(async (tx) => ({
          count: Number(await tx.settings.find("count")),
          audit: (await tx.audit.last())?.sequence ?? 0,
        }));
        await store.close();
        expect(acknowledged).toBeGreaterThan(0);
        expect(count).toBeGreaterThanOrEqual(acknowledged);
        // Both are written in one transaction: neither may be there without the other.
        expect(audit).toBe(count);
      }
    }, 120_000);

    it("that may not write more get store-failed, and what was there stays", async () => {
      const store = await openSqliteStore({ path });
      await write(store, "before");
      await store.close();
      const [code, kept, again] = await output(fillUntilRefused(path));
      expect(code).toBe("store-failed");
      expect(kept).toBe("before");
      expect(again).toBe("store-failed");
      const reopened = await openSqliteStore({ path });
      expect(await reopened.transaction((tx) => tx.settings.find("value"))).toBe("before");
      expect(await reopened.transaction((tx) => tx.reports.find("edge-1"))).toBeUndefined();
      await reopened.close();
    });
  });

  describe("log", () => {
    it("that was torn loses only transactions from the torn one on", async () => {
      await killWhileWriting(path, 30);
      const whole = await readFile(`${path}-wal`);
      for (const length of [whole.length - 1, Math.floor(whole.length / 2), 32, 0]) {
        const copy = join(directory, `torn-${length}.db`);
        await copyFile(path, copy);
        await writeFile(`${copy}-wal`, whole.subarray(0, length));
        const store = await openSqliteStore({ path: copy });
        const [count, audit] = await store.transaction(async (tx) => [
          Number((await tx.settings.find("count")) ?? 0),
          (await tx.audit.last())?.sequence ?? 0,
        ]);
        await store.close();
        expect(audit).toBe(count);
      }
    });
  });
});

const rounds = process.env["FLEETCERT_LONG"] === "1" ? 30 : 3;
const allowedVerdicts = ["usable", "store-corrupt", "store-failed", "data-directory", "internal"];

async function write(store: Store, value: string): Promise<void> {
  await store.transaction((tx) => tx.settings.put("value", value));
}

async function overwrite(path: string, at: number, bytes: Uint8Array): Promise<void> {
  const content = await readFile(path);
  content.set(bytes.subarray(0, content.length - at), at);
  await writeFile(path, content);
}

async function verdict(path: string): Promise<string> {
  try {
    const store = await openSqliteStore({ path });
    try {
      await store.transaction(async (tx) => {
        await tx.certificates.list({ limit: 300 });
        await tx.certificates.put(aCertificate(999));
        await tx.ages.list();
      });
      return "usable";
    } finally {
      await store.close();
    }
  } catch (error) {
    return (error as { code: string }).code;
  }
}

async function modes(directory: string): Promise<Record<string, string>> {
  const names = (await readdir(directory)).sort();
  const entries = names.map(async (name) => [name, ((await stat(join(directory, name))).mode & 0o777).toString(8)]);
  return Object.fromEntries(await Promise.all(entries));
}

/** Starts a process that opens the store at `path` and runs the script with it. */
function storeProcess(path: string, script: string, prefix: readonly string[] = []) {
  const program = `
    const { openSqliteStore } = await import(${JSON.stringify(new URL("./open-store.ts", import.meta.url).href)});
    const say = (line) => process.stdout.write(line + "\\n");
    const open = () => openSqliteStore({ path: ${JSON.stringify(path)} });
    ${script}`;
  const [command = "", ...args] = [...prefix, process.execPath, "--input-type=module", "--eval", program];
  const cwd = fileURLToPath(new URL(".", import.meta.url));
  return spawn(command, args, { cwd, stdio: ["ignore", "pipe", "inherit"] });
}

async function output(child: ReturnType<typeof storeProcess>): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) lines.push(line);
  return lines;
}

const openAndReport = (path: string) =>
  storeProcess(path, `await open().then((store) => store.close()).then(() => say("opened"), ({ code }) => say(code));`);

/** Counts up in one transaction after the other and says each number once it is durable; killed after some. */
async function killWhileWriting(path: string, count: number): Promise<number> {
  const child = storeProcess(
    path,
    `const store = await open();
     const hash = "0".repeat(64);
     for (;;) {
       const next = await store.transaction(async (tx) => {
         const count = Number(await tx.settings.find("count") ?? 0) + 1;
         await tx.settings.put("count", String(count));
         await tx.audit.append({ sequence: count, at: 0, actor: "a", action: "b", target: "c", outcome: "success",
           details: "{}", previousHash: hash, hash });
         return count;
       });
       say(String(next));
     }`,
  );
  let acknowledged = 0;
  let lines = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged = Number(line);
    lines += 1;
    if (lines === count) child.kill("SIGKILL");
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return acknowledged;
}

/** The file size limit makes the kernel refuse writes, as a full disk does. */
const fillUntilRefused = (path: string) =>
  storeProcess(
    path,
    `process.on("SIGXFSZ", () => {});
     const store = await open();
     const grow = () => store.transaction(async (tx) => {
       await tx.settings.put("value", "after");
       await tx.reports.put({ device: "edge-1", receivedAt: 1, report: "x".repeat(4_000_000) });
     });
     await grow().then(() => say("written"), ({ code }) => say(code));
     say(await store.transaction((tx) => tx.settings.find("value")));
     await grow().then(() => say("written"), ({ code }) => say(code));`,
    ["bash", "-c", 'ulimit -f 2048 && exec "$@"', "bash"],
  );
