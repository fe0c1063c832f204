import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Store } from "../../../store-port.ts";
import { openSqliteStore } from "./open-store.ts";

describe("transactions that end in one turn of the event loop", () => {
  let directory: string;
  let path: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "fleetcert-group-"));
    path = join(directory, "store.db");
  });
  afterEach(() => rm(directory, { recursive: true }));

  it("become durable together, in groups that are bounded; those of other turns by themselves", async () => {
    const store = await openSqliteStore({ path });
    await put(store, "first");
    const before = await commits(path);
    await Promise.all(Array.from({ length: 50 }, (_, number) => put(store, `together-${number}`)));
    expect((await commits(path)) - before).toBe(1);
    await Promise.all(Array.from({ length: 200 }, (_, number) => put(store, `many-${number}`)));
    expect((await commits(path)) - before).toBe(1 + Math.ceil(200 / 64));
    for (let number = 0; number < 5; number += 1) {
      await put(store, `alone-${number}`);
      await nextTurn();
    }
    expect((await commits(path)) - before).toBe(1 + Math.ceil(200 / 64) + 5);
    await store.close();
  });

  it("see what those before them wrote, and lose nothing when one among them throws", async () => {
    const store = await openSqliteStore({ path });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 30 }, (_, number) =>
        store.transaction(async (tx) => {
          const count = Number((await tx.settings.find("count")) ?? 0) + 1;
          await tx.settings.put("count", String(count));
          await tx.settings.put(`by-${number}`, String(count));
          if (number % 3 === 0) throw new Error(`refused ${number}`);
          return count;
        }),
      ),
    );
    expect(outcomes.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []))).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
    expect(outcomes.flatMap((one) => (one.status === "rejected" ? [String(one.reason)] : []))).toHaveLength(10);
    await store.close();
    const reopened = await openSqliteStore({ path });
    expect(await reopened.transaction((tx) => tx.settings.find("count"))).toBe("20");
    expect(await reopened.transaction((tx) => tx.settings.find("by-3"))).toBeUndefined();
    await reopened.close();
  });

  it("are not acknowledged before they are durable, whenever the process is killed (I10)", async () => {
    for (const lines of [40, 130]) {
      const acknowledged = await killWhileWriting(path, lines);
      const store = await openSqliteStore({ path });
      const found = await store.transaction((tx) => Promise.all(acknowledged.map((key) => tx.settings.find(key))));
      expect(acknowledged.length).toBeGreaterThanOrEqual(lines);
      expect(found.filter((value) => value === undefined)).toEqual([]);
      await store.close();
    }
  }, 60_000);

  it("are refused one by one when the medium takes no more, and whoever was told otherwise is there", async () => {
    const { acknowledged, refused } = await fillTogether(path);
    const store = await openSqliteStore({ path });
    const found = await store.transaction((tx) => Promise.all(acknowledged.map((key) => tx.settings.find(key))));
    expect(refused).toContain("store-failed");
    expect(acknowledged).toContain("before");
    expect(found.filter((value) => value === undefined)).toEqual([]);
    await store.close();
  }, 60_000);
});

async function put(store: Store, key: string): Promise<void> {
  await store.transaction((tx) => tx.settings.put(key, "x"));
}

/** Frames of the log that end a commit: their header names the size of the database (https://sqlite.org/fileformat.html, 4.1). */
async function commits(path: string): Promise<number> {
  const log = await readFile(`${path}-wal`);
  const pageSize = log.readUInt32BE(8);
  let count = 0;
  for (let at = 32; at + 24 <= log.length; at += 24 + pageSize) if (log.readUInt32BE(at + 4) > 0) count += 1;
  return count;
}

function storeProcess(path: string, script: string, prefix: readonly string[] = []) {
  const program = `
    const { openSqliteStore } = await import(${JSON.stringify(new URL("./open-store.ts", import.meta.url).href)});
    const say = (line) => process.stdout.write(line + "\\n");
    const store = await openSqliteStore({ path: ${JSON.stringify(path)} });
    const put = (key, value = "x") => store.transaction((tx) => tx.settings.put(key, value));
    ${script}`;
  const [command = "", ...args] = [...prefix, process.execPath, "--input-type=module", "--eval", program];
  const cwd = fileURLToPath(new URL(".", import.meta.url));
  return spawn(command, args, { cwd, stdio: ["ignore", "pipe", "inherit"] });
}

/** Eight write at the same time and name each key once it is acknowledged; killed after some lines. */
async function killWhileWriting(path: string, lines: number): Promise<string[]> {
  const run = Math.random().toString(36).slice(2);
  const child = storeProcess(
    path,
    `const write = async (who) => {
       for (let number = 0; ; number += 1) {
         await put(\`${run}-\${who}-\${number}\`);
         say(\`${run}-\${who}-\${number}\`);
       }
     };
     for (let who = 0; who < 8; who += 1) void write(who);`,
  );
  const acknowledged: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(line);
    if (acknowledged.length === lines) child.kill("SIGKILL");
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return acknowledged;
}

/** Small and large rows in one turn while a limit on the file's size makes the kernel refuse writes, as a full disk does. */
async function fillTogether(path: string): Promise<{ acknowledged: string[]; refused: string[] }> {
  const child = storeProcess(
    path,
    `process.on("SIGXFSZ", () => {});
     const told = (key, value) => put(key, value).then(() => say("+" + key), ({ code }) => say("-" + code));
     await told("before");
     for (let round = 0; round < 4; round += 1) {
       await Promise.all([told("small-" + round), told("large-" + round, "y".repeat(3_000_000)), told("after-" + round)]);
     }
     await told("last");`,
    ["bash", "-c", 'ulimit -f 2048 && exec "$@"', "bash"],
  );
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) lines.push(line);
  const of = (sign: string): string[] => lines.filter((line) => line.startsWith(sign)).map((line) => line.slice(1));
  return { acknowledged: of("+"), refused: of("-") };
}
