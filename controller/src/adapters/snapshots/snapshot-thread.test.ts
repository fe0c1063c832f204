import { assembleSigned, encodeName, encodeTbsCrl, Serial, sha256Hex } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import type { CrlRecord } from "../../records.ts";
import { nextSnapshots, type ShardSnapshots } from "../../revocation/shard-snapshots.ts";
import { openSnapshotThread } from "./snapshot-thread.ts";

const issuer = "0".repeat(64);
const size = 1_000_000;

function present(epoch: number, entryCount: number) {
  const tbs = encodeTbsCrl({
    issuer: encodeName({ commonName: "t" }),
    authorityKeyId: new Uint8Array(20),
    thisUpdate: 0,
    nextUpdate: 86_400_000,
    crlNumber: epoch,
    entries: Array.from({ length: entryCount }, (_, at) => ({
      serial: Serial.make({ shard: 3, index: (at * 97) % size, random13: new Uint8Array(13) }),
      revokedAt: 0,
    })),
    issuingDistributionPoint: { uris: ["http://localhost/3.crl"] },
    signatureAlgorithmOf: "P-256",
  });
  const der = assembleSigned(tbs, "P-256", new Uint8Array(70));
  const list: CrlRecord = { issuer, shard: 3, epoch, der, sha256: sha256Hex(der), entryCount };
  const shard = { issuer, shard: 3, notAfterFrom: 0, notAfterTo: 1, nextIndex: 0, coveredTo: size };
  return { shard, list, epoch };
}

describe("snapshots made in a thread", () => {
  it("are those made at once, with their deltas, and the loop goes on meanwhile", async () => {
    const thread = openSnapshotThread();
    let before: ShardSnapshots | undefined;
    for (let epoch = 1; epoch <= 3; epoch++) {
      const now = present(epoch, 9_000 + epoch);
      const beats = beating();
      const made = await thread.next(before?.kept ?? [], now);
      // The first has to wait for the thread; of the others each beat tells that the loop was free.
      if (epoch > 1) expect(await beats()).toBeGreaterThan(3);
      expect(made).toEqual(nextSnapshots(before?.kept ?? [], now));
      before = made;
    }
    expect(before?.kept[0].deltaFrom).toEqual([2, 1]);
  });

  it("fail alone when what they are made of cannot be read, and the next is made", async () => {
    const thread = openSnapshotThread();
    const broken = present(1, 600);
    const der = broken.list.der.slice(0, -5);
    await expect(thread.next([], { ...broken, list: { ...broken.list, der } })).rejects.toMatchObject({
      code: "internal",
    });
    expect((await thread.next([], broken)).kept[0].revokedCount).toBe(600);
  });
});

/** Counts turns of the event loop until it is asked for them. */
function beating(): () => Promise<number> {
  let count = 0;
  let isOver = false;
  const beat = () => {
    count += 1;
    if (!isOver) setImmediate(beat);
  };
  setImmediate(beat);
  return async () => {
    isOver = true;
    return count;
  };
}
