import { describe, expect, it } from "vitest";
import { aCrl } from "../../../test/contracts/store-records.ts";
import { memoryStore } from "../adapters/store/memory/memory-store.ts";
import { compareLists, forgetOldLists } from "./compare-lists.ts";

const kept = { issuer: "issuer-1", shard: 1 };

/** A store with lists of these many octets, the first of epoch 1. */
async function storeWith(lengths: readonly number[]) {
  const store = memoryStore();
  await store.transaction(async (tx) => {
    const shard = { ...kept, notAfterFrom: 0, notAfterTo: 1, nextIndex: 0, coveredTo: 1024 };
    await tx.shards.put(shard);
    for (const [at, length] of lengths.entries()) {
      await tx.crls.put(aCrl({ ...kept, epoch: at + 1, der: new Uint8Array(length) }));
    }
  });
  const forget = () => store.transaction((tx) => forgetOldLists(tx, kept.issuer, kept.shard));
  return { store, epochs: async () => (await forget()).map(({ epoch }) => epoch) };
}

describe("lists that the store keeps", () => {
  it("are the newest 64 while they are short", async () => {
    const { epochs, store } = await storeWith(Array.from({ length: 70 }, () => 10));
    expect(await epochs()).toEqual(Array.from({ length: 64 }, (_, at) => 70 - at));
    expect(await store.transaction((tx) => tx.crls.listOf("issuer-1", 1, 100))).toHaveLength(64);
  });

  it("are as many as 256 MiB hold, four at least, and what is not there any more cannot be compared", async () => {
    const mega = 2 ** 20;
    expect(await (await storeWith([1, 1, 1, 90 * mega, 90 * mega, 60 * mega])).epochs()).toEqual([6, 5, 4, 3, 2, 1]);
    const { epochs, store } = await storeWith([1, 60 * mega, 90 * mega, 90 * mega, 90 * mega, 90 * mega]);
    expect(await epochs()).toEqual([6, 5, 4, 3]);
    const compared = store.transaction((tx) => compareLists(tx, { issuer: "issuer-1", from: 2, to: 2 }));
    await expect(compared).rejects.toMatchObject({ code: "not-found" });
  });
});
