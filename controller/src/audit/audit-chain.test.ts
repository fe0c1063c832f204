import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { memoryStore } from "../adapters/store/memory/memory-store.ts";
import { openSqliteStore } from "../adapters/store/sqlite/open-store.ts";
import type { AuditRecord } from "../records.ts";
import type { Store } from "../store-port.ts";
import { type AuditEvent, appendAudit } from "./append-audit.ts";
import { entryHash } from "./entry-hash.ts";
import { auditEvents } from "./events.ts";
import { verifyAudit } from "./verify-audit.ts";

describe("audit chain", () => {
  it("numbers entries without a gap and links each to the one before", async () => {
    const store = await chainOf(3);
    const entries = await store.transaction((tx) => tx.audit.list(1, 9));
    expect(entries.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(entries[0]?.previousHash).toBe("0".repeat(64));
    expect(entries[2]?.previousHash).toBe(entries[1]?.hash);
    expect(await verifyAudit(store)).toEqual({ ok: true, entries: 3 });
  });

  it("can be recomputed from its description alone", async () => {
    const store = memoryStore();
    const entry = await store.transaction((tx) =>
      appendAudit(tx, anEvent({ target: 'a"b\\', details: { z: "ü", a: "1" } })),
    );
    const text = `fleetcert-audit-1\n[1,1000,"controller","device.changed","a\\"b\\\\","success","{\\"a\\":\\"1\\",\\"z\\":\\"ü\\"}","${"0".repeat(64)}"]`;
    expect(entry.hash).toBe(createHash("sha256").update(text, "utf8").digest("hex"));
  });

  it("goes with its act: a transaction that throws leaves no entry and no gap", async () => {
    const store = await chainOf(2);
    await expect(
      store.transaction(async (tx) => {
        await appendAudit(tx, anEvent());
        throw new Error("the act failed");
      }),
    ).rejects.toThrow("the act failed");
    await store.transaction((tx) => appendAudit(tx, anEvent()));
    expect(await verifyAudit(store)).toEqual({ ok: true, entries: 3 });
  });

  it("stays whole under transactions that are asked for at once", async () => {
    const store = memoryStore();
    await Promise.all(Array.from({ length: 50 }, () => store.transaction((tx) => appendAudit(tx, anEvent()))));
    expect(await verifyAudit(store)).toEqual({ ok: true, entries: 50 });
  });

  it("takes any text without letting it forge lines or break the chain", async () => {
    const text = fc.string({ unit: "binary", maxLength: 40 });
    const wild = fc.oneof(
      text,
      fc.constantFrom("\n", "\u202e", "\ud800", "\0", "\u2028", "__proto__", "x".repeat(5_000)),
    );
    const events = fc.array(fc.record({ actor: wild, target: wild, details: fc.dictionary(wild, wild) }), {
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(events, async (all) => {
        const store = memoryStore();
        for (const some of all) await store.transaction((tx) => appendAudit(tx, anEvent(some)));
        expect(await verifyAudit(store)).toEqual({ ok: true, entries: all.length });
        for (const { actor, target, details } of await store.transaction((tx) => tx.audit.list(1, 99))) {
          for (const value of [actor, target, details]) expect(value).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
          expect(JSON.parse(details)).toBeTypeOf("object");
        }
      }),
      { numRuns: 60 },
    );
  });

  it("bounds what one entry may hold", async () => {
    const store = memoryStore();
    const details = Object.fromEntries(Array.from({ length: 100 }, (_, number) => [`n${number}`, "x".repeat(9_999)]));
    const entry = await store.transaction((tx) => appendAudit(tx, anEvent({ target: "t".repeat(9_999), details })));
    expect(entry.target).toBe(`${"t".repeat(256)}… (9743 more)`);
    const kept = JSON.parse(entry.details) as Record<string, string>;
    expect(kept["omitted"]).toBe("68");
    expect(Object.keys(kept)).toHaveLength(33);
    expect(entry.details.length).toBeLessThan(40_000);
  });

  it("names each of its events once, as a thing and what happened to it", () => {
    for (const name of Object.keys(auditEvents)) expect(name).toMatch(/^[a-z]+([A-Z][a-z]+)*\.[a-z]+([A-Z][a-z]+)*$/);
  });
});

describe("audit verification", () => {
  let directory: string;
  let path: string;
  const chainLength = 12;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "fleetcert-audit-"));
    path = join(directory, "store.db");
    const store = await openSqliteStore({ path });
    await fill(store, chainLength);
    await store.close();
  });
  afterEach(() => rm(directory, { recursive: true }));

  const verify = async (options: Parameters<typeof verifyAudit>[1] = {}) => {
    const store = await openSqliteStore({ path });
    const verdict = await verifyAudit(store, { pageSize: 5, ...options });
    await store.close();
    return verdict;
  };

  it("finds a chain whole, whatever the page size", async () => {
    for (const pageSize of [1, 4, 12, 500]) {
      expect(await verify({ pageSize })).toEqual({ ok: true, entries: chainLength });
    }
  });

  it.each(["at", "actor", "action", "target", "outcome", "details"] as const)(
    "names an entry whose %s was altered",
    async (column) => {
      tamper(path, `update audit set "${column}" = ${column === "at" ? 5 : "'forged'"} where sequence = 7`);
      expect(await verify()).toEqual({ ok: false, entries: 6, firstBad: { sequence: 7, why: "altered" } });
    },
  );

  it.each([1, 6, 11])("names entry %i when it was deleted", async (sequence) => {
    tamper(path, `delete from audit where sequence = ${sequence}`);
    expect(await verify()).toEqual({ ok: false, entries: sequence - 1, firstBad: { sequence, why: "gap" } });
  });

  it("names the first of two entries that changed places", async () => {
    tamper(
      path,
      "update audit set sequence = -1 where sequence = 4; update audit set sequence = 4 where sequence = 9; update audit set sequence = 9 where sequence = -1",
    );
    expect(await verify()).toMatchObject({ ok: false, firstBad: { sequence: 4, why: "reordered" } });
  });

  it("names the entry after one that was replaced together with its hash", async () => {
    const entries = await (await chainOf(5)).transaction((tx) => tx.audit.list(1, 9));
    const replaced = entries.map((entry) => (entry.sequence === 3 ? rehashed({ ...entry, target: "forged" }) : entry));
    expect(await verifyAudit(fixedStore(replaced))).toMatchObject({ firstBad: { sequence: 4, why: "reordered" } });
  });

  it("finds a chain without its end only by a checkpoint", async () => {
    const seen = checkpointAt(path, 12);
    tamper(path, "delete from audit where sequence > 9");
    expect(await verify()).toEqual({ ok: true, entries: 9 });
    expect(await verify({ checkpoints: [seen] })).toEqual({
      ok: false,
      entries: 9,
      firstBad: { sequence: 10, why: "truncated" },
    });
  });

  it("finds a chain that was written anew only by a checkpoint", async () => {
    const seen = [checkpointAt(path, 3), checkpointAt(path, 8)];
    expect(await verify({ checkpoints: seen })).toMatchObject({ ok: true });
    await rm(path);
    const forged = await openSqliteStore({ path });
    await fill(forged, chainLength, "another past");
    await forged.close();
    expect(await verify()).toMatchObject({ ok: true });
    expect(await verify({ checkpoints: seen })).toMatchObject({ firstBad: { sequence: 3, why: "rewritten" } });
  });

  it("names the first bad row under any single change, or finds the row unchanged", async () => {
    const store = await chainOf(8);
    const entries = await store.transaction((tx) => tx.audit.list(1, 99));
    const change = fc.record({
      at: fc.nat(entries.length - 1),
      field: fc.constantFrom(...(Object.keys(entries[0] ?? {}) as (keyof AuditRecord)[])),
      value: fc.oneof(fc.string(), fc.nat()),
    });
    await fc.assert(
      fc.asyncProperty(change, async ({ at, field, value }) => {
        const forged = entries.map((entry, index) => (index === at ? { ...entry, [field]: value } : entry));
        const verdict = await verifyAudit(fixedStore(forged));
        const isUnchanged = entries[at]?.[field] === value;
        expect(verdict.ok).toBe(isUnchanged);
        if (!isUnchanged) expect(verdict.firstBad?.sequence).toBe(at + 1);
      }),
      { numRuns: 200 },
    );
  });
});

const anEvent = (some: Partial<AuditEvent> = {}): AuditEvent => ({
  at: 1_000,
  actor: "controller",
  action: "device.changed",
  target: "edge-1",
  outcome: "success",
  ...some,
});

async function fill(store: Store, count: number, target = "edge-1"): Promise<void> {
  for (let number = 1; number <= count; number += 1) {
    await store.transaction((tx) =>
      appendAudit(tx, anEvent({ at: number, target, details: { number: String(number) } })),
    );
  }
}

async function chainOf(count: number): Promise<Store> {
  const store = memoryStore();
  await fill(store, count);
  return store;
}

const rehashed = (entry: AuditRecord): AuditRecord => ({ ...entry, hash: entryHash(entry) });

/** Changes the file as somebody with the rights to it would, past the triggers. */
function tamper(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(`drop trigger audit_is_never_changed; drop trigger audit_is_never_shortened; ${sql}`);
  database.close();
}

function checkpointAt(path: string, sequence: number) {
  const database = new DatabaseSync(path, { readOnly: true });
  const row = database.prepare("select hash from audit where sequence = ?").get(sequence);
  database.close();
  return { sequence, hash: String(row?.["hash"]), at: 0 };
}

/** A store of which only the audit can be read. */
function fixedStore(entries: readonly AuditRecord[]): Store {
  const audit = {
    last: async () => entries.at(-1) && { ...entries.at(-1), sequence: entries.length },
    list: async (from: number, limit: number) => entries.slice(from - 1, from - 1 + limit),
  };
  return { transaction: (work) => work({ audit } as never), close: async () => undefined };
}
