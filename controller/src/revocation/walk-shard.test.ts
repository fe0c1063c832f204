import { assembleSigned, CrlEntryBuffer, encodeName, encodeTbsCrl, parseCrl } from "@fleetcert/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { revocationsOf } from "../../../test/support/revocation/stored-lists.ts";
import { memoryStore } from "../adapters/store/memory/memory-store.ts";
import type { RevocationRecord } from "../records.ts";
import { entryOf, markPublished, walkShard } from "./walk-shard.ts";

const issuer = "a".repeat(64);
const place = { issuer, shard: 2 };

function aRow(index: number, some: Partial<RevocationRecord> = {}): RevocationRecord {
  const serial = `010002${index.toString(16).padStart(8, "0")}${"7".repeat(26)}`;
  return { ...place, index, serial, reason: "certificateHold", revokedAt: 5000, notAfter: 9e9, epoch: 0, ...some };
}

function listOf(entries: CrlEntryBuffer) {
  const tbs = encodeTbsCrl({
    issuer: encodeName({ commonName: "t" }),
    authorityKeyId: new Uint8Array(20),
    thisUpdate: 0,
    nextUpdate: 1000,
    crlNumber: 1,
    entries,
    signatureAlgorithmOf: "P-256",
  });
  return parseCrl(assembleSigned(tbs, "P-256", new Uint8Array(70)));
}

/** What may happen to a row between its reading and the list's signature. */
const acts = {
  nothing: (row: RevocationRecord) => row,
  lift: (row: RevocationRecord) => ({ ...row, liftedAt: 7000 }),
  final: (row: RevocationRecord) => ({ ...row, reason: "keyCompromise" }),
  "hold again": (row: RevocationRecord) => ({ ...row, liftedAt: undefined, revokedAt: 8000 }),
  date: (row: RevocationRecord) => ({ ...row, invalidityDate: 2000 }),
};

describe("a shard's revocations", () => {
  it("count as published exactly when the list says of them what they are, whatever happened while it was signed", async () => {
    const states = fc.constantFrom("held", "lifted");
    const acting = fc.constantFrom(...(Object.keys(acts) as (keyof typeof acts)[]));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(states, acting), { maxLength: 12 }), async (rows) => {
        const store = memoryStore();
        const before = rows.map(([state], index) => aRow(index, state === "lifted" ? { liftedAt: 6000 } : {}));
        const after = rows.map(([, act], index) => acts[act](before[index] as RevocationRecord));
        await store.transaction(async (tx) => {
          for (const row of before) await tx.revocations.put(row);
        });
        const entries = new CrlEntryBuffer();
        await walkShard(store, place, (row) => row.liftedAt === undefined && entries.add(entryOf(row)));
        await store.transaction(async (tx) => {
          for (const row of [...after, aRow(100)]) await tx.revocations.put(row);
          await tx.revocations.put(aRow(1, { shard: 3, serial: "03" }));
          await markPublished(tx, { ...place, epoch: 9 }, listOf(entries));
        });
        const marked = await store.transaction((tx) => revocationsOf(tx, place));
        const isTold = (at: number) =>
          before[at]?.liftedAt === undefined ? rows[at]?.[1] === "nothing" : after[at]?.liftedAt !== undefined;
        const expected = [...after, aRow(100)].map((row, at) =>
          at < rows.length && isTold(at) ? { ...row, epoch: 9 } : row,
        );
        expect(marked).toEqual(expected);
        expect(await store.transaction((tx) => tx.revocations.find(issuer, "03"))).toMatchObject({ epoch: 0 });
      }),
    );
  });

  it("are walked over in order, more than one page of them, and others get their turn in between", async () => {
    const store = memoryStore();
    await store.transaction(async (tx) => {
      for (let index = 9000; index > 0; index--) await tx.revocations.put(aRow(index));
    });
    const seen: number[] = [];
    const others: number[] = [];
    const walked = walkShard(store, place, ({ index }) => void seen.push(index));
    const meanwhile = store.transaction(async () => void others.push(seen.length));
    await Promise.all([walked, meanwhile]);
    expect(seen).toEqual(Array.from({ length: 9000 }, (_, at) => at + 1));
    expect(others[0]).toBeLessThan(9000);
  });
});
