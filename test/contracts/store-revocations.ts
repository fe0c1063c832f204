import { describe, expect, it } from "vitest";
import type { Store, Transaction } from "../../controller/src/store-port.ts";
import { revocationsOf } from "../support/revocation/stored-lists.ts";
import { aCrl, anEpoch, aRevocation } from "./store-records.ts";

/** The part of the store contract about what is revoked and published. */
export function describeRevocations(store: () => Store): void {
  const change = (work: (tx: Transaction) => Promise<unknown>) => store().transaction(work);
  const read = <T>(work: (tx: Transaction) => Promise<T>) => store().transaction(work);

  describe("revocations and their lists", () => {
    it("lists revocations by index and knows which wait for publication", async () => {
      await change(async (tx) => {
        for (const index of [9, 2, 30]) await tx.revocations.put(aRevocation({ serial: `s${index}`, index }));
        await tx.revocations.put(aRevocation({ serial: "s2", index: 2, epoch: 4 }));
        await tx.revocations.put(aRevocation({ serial: "other", shard: 2, index: 1 }));
      });
      const indices = (rows: readonly { index: number }[]) => rows.map(({ index }) => index);
      const shard = { issuer: "issuer-1", shard: 1 };
      expect(indices(await read((tx) => revocationsOf(tx, shard)))).toEqual([2, 9, 30]);
      expect(indices(await read((tx) => revocationsOf(tx, { ...shard, isWaiting: true })))).toEqual([9, 30]);
      expect(await read((tx) => revocationsOf(tx, { ...shard, shard: 9 }))).toEqual([]);
    });

    it("walks over revocations page by page, neither losing nor repeating one, also where indices are the same", async () => {
      const rows = Array.from({ length: 25 }, (_, at) =>
        aRevocation({ serial: `a${String(at).padStart(2, "0")}`, index: at >> 2, epoch: at % 3 === 0 ? 7 : 0 }),
      );
      await change(async (tx) => {
        for (const row of rows.toReversed()) await tx.revocations.put(row);
      });
      const waiting = rows.filter(({ epoch }) => epoch === 0);
      for (const limit of [1, 2, 5, 24, 25, 26]) {
        const shard = { issuer: "issuer-1", shard: 1, limit };
        expect(await read((tx) => revocationsOf(tx, shard))).toEqual(rows);
        expect(await read((tx) => revocationsOf(tx, { ...shard, isWaiting: true }))).toEqual(waiting);
      }
    });

    it("tells how many wait in each shard, and marks those of one shard up to a place as published, or none when it fails", async () => {
      await change(async (tx) => {
        for (const [shard, index] of [
          [3, 1],
          [1, 1],
          [1, 2],
          [1, 3],
        ] as const)
          await tx.revocations.put(aRevocation({ serial: `b${shard}${index}`, shard, index }));
        await tx.revocations.put(aRevocation({ serial: "b10", shard: 1, index: 2 }));
        await tx.revocations.put(aRevocation({ serial: "done", shard: 1, index: 4, epoch: 5 }));
        await tx.revocations.put(aRevocation({ serial: "b11", issuer: "issuer-2", shard: 1 }));
      });
      const shard = { issuer: "issuer-1", shard: 1 };
      const waiting = () => read((tx) => tx.revocations.waitingShards("issuer-1"));
      const before = [
        { shard: 1, count: 4 },
        { shard: 3, count: 1 },
      ];
      expect(await waiting()).toEqual(before);
      const failing = change(async (tx) => {
        await tx.revocations.markPublished(shard, { index: 9, serial: "" }, 9);
        throw new Error("and then it failed");
      });
      await expect(failing).rejects.toThrow("and then it failed");
      expect(await waiting()).toEqual(before);

      const epochs = async () => (await read((tx) => revocationsOf(tx, shard))).map(({ epoch }) => epoch);
      await change((tx) => tx.revocations.markPublished(shard, { index: 2, serial: "b10" }, 8));
      expect(await epochs()).toEqual([8, 8, 0, 0, 5]);
      await change((tx) => tx.revocations.markPublished(shard, { index: 3, serial: "b13" }, 9));
      expect(await epochs()).toEqual([8, 8, 9, 9, 5]);
      expect(await waiting()).toEqual([{ shard: 3, count: 1 }]);
      expect(await read((tx) => tx.revocations.waitingShards("issuer-2"))).toEqual([{ shard: 1, count: 1 }]);
    });

    it("knows the newest epoch, a higher era before a higher epoch, and the newest CRLs", async () => {
      await change(async (tx) => {
        for (const [era, epoch] of [
          [1, 9],
          [2, 3],
          [1, 10],
        ] as const)
          await tx.epochs.put(anEpoch({ era, epoch }));
        for (const epoch of [2, 10, 9]) await tx.crls.put(aCrl({ epoch }));
      });
      expect(await read((tx) => tx.epochs.latest("issuer-1"))).toMatchObject({ era: 2, epoch: 3 });
      expect(await read((tx) => tx.epochs.find("issuer-1", 10))).toMatchObject({ era: 1, epoch: 10 });
      expect(await read((tx) => tx.crls.latest("issuer-1", 1))).toMatchObject({ epoch: 10 });
      const { length } = aCrl().der;
      const crls = await read((tx) => tx.crls.listOf("issuer-1", 1, 2));
      expect(crls).toEqual([10, 9].map((epoch) => ({ epoch, length })));
      expect(await read((tx) => tx.crls.find("issuer-1", 1, 9))).toEqual(aCrl({ epoch: 9 }));
      await change((tx) => tx.crls.deleteBelow("issuer-1", 1, 10));
      expect(await read((tx) => tx.crls.listOf("issuer-1", 1, 9))).toEqual([{ epoch: 10, length }]);
      expect(await read((tx) => tx.crls.find("issuer-1", 1, 9))).toBeUndefined();
    });
  });
}
