import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Batch, batches, runBatch } from "../../../../test/contracts/store-operations.ts";
import type { AgeCounter } from "../../records.ts";
import type { Store, Transaction } from "../../store-port.ts";
import { memoryStore } from "./memory/memory-store.ts";
import { openSqliteStore } from "./sqlite/open-store.ts";

describe("memory and SQLite", () => {
  it("give the same answers to any sequence of transactions, and the counters are those of a scan", async () => {
    const directory = await mkdtemp(join(tmpdir(), "fleetcert-store-"));
    let run = 0;
    const check = async (sequence: Batch[]) => {
      run += 1;
      const sqlite = await openSqliteStore({ path: join(directory, `${run}.db`) });
      const memory = memoryStore();
      try {
        for (const batch of sequence) expect(await runBatch(memory, batch)).toEqual(await runBatch(sqlite, batch));
        expect(await memory.transaction(contents)).toEqual(await sqlite.transaction(contents));
        const expiredBefore = lastExpiry(sequence);
        for (const store of [memory, sqlite]) {
          expect(await store.transaction((tx) => tx.ages.list())).toEqual(await scanAges(store, expiredBefore));
        }
      } finally {
        await sqlite.close();
        await memory.close();
      }
    };
    await fc.assert(fc.asyncProperty(batches, check), { numRuns });
    await rm(directory, { recursive: true });
  }, 120_000);
});

const numRuns = process.env["FLEETCERT_LONG"] === "1" ? 3_000 : 150;

async function contents(tx: Transaction) {
  const page = { limit: 1_000 };
  return [
    await tx.devices.list(page),
    await tx.certificates.list(page),
    await tx.claims.list(page),
    await tx.operators.list(page),
    await tx.intents.listOpen(),
    await tx.outbox.list(1_000),
    await tx.audit.list(0, 1_000),
    await tx.ages.list(),
    await tx.devices.countByState(),
    await tx.devices.countActive(),
    await tx.acks.countApplied("issuer-1", 0),
    await tx.acks.countApplied("issuer-2", 2),
  ];
}

function lastExpiry(sequence: readonly Batch[]): number {
  const calls = sequence
    .filter(({ fails }) => !fails)
    .flatMap(({ operations }) => operations.filter(({ method }) => method === "expire"));
  return Number(calls.at(-1)?.args[0] ?? 0);
}

async function scanAges(store: Store, expiredBefore: number): Promise<AgeCounter[]> {
  const { certificates, sites } = await store.transaction(async (tx) => {
    const devices = await tx.devices.list({ limit: 1_000 });
    return {
      certificates: await tx.certificates.list({ limit: 1_000 }),
      sites: new Map(devices.map(({ id, attributes }) => [id, attributes.site])),
    };
  });
  const counters = new Map<string, AgeCounter>();
  for (const { device, state, notAfter, issuedAt, profile, issuer } of certificates) {
    if (device === "" || !["issued", "proven"].includes(state) || notAfter < expiredBefore) continue;
    const group = { hour: Math.floor(issuedAt / 3_600_000), site: sites.get(device) ?? "", profile, issuer };
    const key = JSON.stringify(Object.values(group));
    counters.set(key, { ...group, count: (counters.get(key)?.count ?? 0) + 1 });
  }
  return [...counters].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, counter]) => counter);
}
