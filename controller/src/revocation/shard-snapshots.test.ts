import {
  decodeEnvelope,
  decodeMessage,
  formatTopic,
  joinParts,
  parseTopic,
  partCount,
  type RevocationHead,
} from "@fleetcert/proto";
import {
  applySnapshotDelta,
  assembleSigned,
  decodeSnapshot,
  encodeTbsCrl,
  IndexSet,
  parseCertificate,
  parseCrl,
  Serial,
  sha256Hex,
} from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import {
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";
import { memoryStore } from "../adapters/store/memory/memory-store.ts";
import type { CrlRecord } from "../records.ts";
import { nextSnapshots, type ShardSnapshots } from "./shard-snapshots.ts";

const day = 24 * 3_600_000;

describe("published snapshots", () => {
  it("say exactly what the lists say, under the hash in the head", async () => {
    const controller = await startTestController();
    const devices: { readonly certificate: Uint8Array }[] = [];
    for (let index = 0; index < 4; index++) devices.push(await anEnrolledDevice(controller, `edge-${index}`));
    await controller.revocation.revoke("local", { device: "edge-1", reason: "keyCompromise" });
    await controller.revocation.revoke("local", { device: "edge-2", reason: "superseded" });
    const { revoked, listed } = await readShard(controller);
    const indices = [1, 2].map((at) => parseCertificate(devices[at]?.certificate ?? new Uint8Array()).serial.index);
    expect(revoked).toEqual(indices);
    expect(listed).toEqual(indices);
  });

  it("stay while nothing changes, also when the lists are signed again", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    await controller.revocation.publish();
    const { head: before } = await readShard(controller);
    await controller.revocation.publish({ refreshAll: true });
    await controller.revocation.publish();
    const { head } = await readShard(controller);
    expect(head.shards[0]?.crlEpoch).toBeGreaterThan(before.shards[0]?.crlEpoch ?? 0);
    expect(head.shards[0]?.snapshotEpoch).toBe(before.shards[0]?.snapshotEpoch);
  });

  it("lose an entry together with the list", async () => {
    const controller = await startTestController({
      config: "renewAfterExpiry: 1d",
      profiles: "profiles: {device: {validity: 5d}}",
    });
    await anEnrolledDevice(controller, "edge-1");
    await controller.revocation.revoke("local", { device: "edge-1", reason: "keyCompromise" });
    expect((await readShard(controller)).revoked).toHaveLength(1);
    controller.world.clock.advance(10 * day);
    await controller.revocation.publish({ refreshAll: true });
    controller.world.clock.advance(day);
    await controller.revocation.publish({ refreshAll: true });
    const { revoked, listed } = await readShard(controller);
    expect([revoked, listed]).toEqual([[], []]);
  });

  it("go before the head, and leave the broker when two newer ones are there", async () => {
    const controller = await startTestController();
    for (let index = 0; index < 5; index++) {
      await anEnrolledDevice(controller, `edge-${index}`);
      await controller.revocation.revoke("local", { device: `edge-${index}`, reason: "keyCompromise" });
    }
    await controller.outbox.drain();
    const kinds = controller.published.map(({ topic, payload }) =>
      payload.length ? parseTopic(topic)?.type : "clear",
    );
    const order = kinds.filter((kind) => kind === "snapshot-part" || kind === "head").join(" ");
    expect(order.endsWith("snapshot-part head snapshot-part head")).toBe(true);
    const kept = [...controller.retained.keys()].filter((topic) => parseTopic(topic)?.type === "snapshot-part");
    expect(kept).toHaveLength(2);
    await readShard(controller);
  });

  it("are put on the broker again when it has forgotten them", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    await controller.revocation.publish();
    await controller.outbox.drain();
    controller.retained.clear();
    await controller.revocation.announce();
    expect((await readShard(controller)).revoked).toEqual([]);
  });

  it("and lists are all made anew after an older database was put back: no shard goes back (I3)", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    const old = await controller.revocation.publish();
    for (let count = 0; count < 3; count++) await controller.revocation.publish();
    const world = { ...controller.world, store: memoryStore() };
    const restored = await startTestController({ world });
    await anEnrolledDevice(restored, "edge-1");
    const { epoch } = await restored.revocation.publish();
    const { head } = await readShard(restored);
    expect(epoch).toBeGreaterThan(old.epoch);
    expect(head.shards[0]?.snapshotEpoch).toBeGreaterThan(old.epoch);
  });
});

describe("deltas", () => {
  const few = Array.from({ length: 200 }, (_, index) => index * 37);

  it("lead from each of the last four snapshots to the newest", () => {
    let last = next(undefined, { epoch: 1, revoked: few });
    const sets = new Map([[1, IndexSet.of(10_000, few)]]);
    for (let epoch = 2; epoch <= 7; epoch++) {
      const revoked = [...few, ...Array.from({ length: epoch }, (_, extra) => 8000 + extra)];
      last = next(last, { epoch, revoked });
      sets.set(epoch, IndexSet.of(10_000, revoked));
    }
    expect(last.kept[0].deltaFrom).toEqual([6, 5, 4, 3]);
    for (const [from, delta] of last.fresh?.deltas ?? []) {
      expect(delta.length).toBeLessThan(last.kept[0].bytes.length);
      const result = applySnapshotDelta(sets.get(from) as IndexSet, delta, { size: 10_000 });
      expect([...result.indices()]).toEqual([...(sets.get(7) as IndexSet).indices()]);
    }
  });

  it("carry a lifted hold and a range that grew", () => {
    const before = next(undefined, { epoch: 1, revoked: few });
    const after = next(before, { epoch: 2, revoked: few.slice(1), size: 20_000 });
    const delta = after.fresh?.deltas.get(1) ?? new Uint8Array();
    const result = applySnapshotDelta(IndexSet.of(10_000, few), delta, { size: 20_000 });
    expect([...result.indices()]).toEqual(few.slice(1));
  });

  it("are left out where they would be longer than the snapshot", () => {
    const before = next(undefined, { epoch: 1, revoked: few });
    expect(next(before, { epoch: 2, revoked: few.map((index) => index + 1) }).kept[0].deltaFrom).toEqual([]);
  });

  it("leave out what lies beyond the covered range", () => {
    expect(next(undefined, { epoch: 1, revoked: [5, 12_000] }).kept[0].revokedCount).toBe(1);
  });
});

function next(
  before: ShardSnapshots | undefined,
  { epoch, revoked, size = 10_000 }: { readonly epoch: number; readonly revoked: readonly number[]; size?: number },
): ShardSnapshots {
  const shard = { issuer: "0".repeat(64), shard: 3, notAfterFrom: 0, notAfterTo: 1, nextIndex: 0, coveredTo: size };
  return nextSnapshots(before?.kept ?? [], { shard, list: aList(epoch, revoked), epoch });
}

function aList(epoch: number, revoked: readonly number[]): CrlRecord {
  const tbs = encodeTbsCrl({
    issuer: issuerName(),
    authorityKeyId: new Uint8Array(20),
    thisUpdate: 0,
    nextUpdate: day,
    crlNumber: epoch,
    entries: revoked.map((index) => ({
      serial: Serial.make({ shard: 3, index, random13: new Uint8Array(13) }),
      revokedAt: 0,
      reason: "superseded",
    })),
    issuingDistributionPoint: { uris: ["http://localhost/3.crl"] },
    signatureAlgorithmOf: "P-256",
  });
  const der = assembleSigned(tbs, "P-256", new Uint8Array(70));
  return { issuer: "0".repeat(64), shard: 3, epoch, der, sha256: sha256Hex(der), entryCount: revoked.length };
}

/** CN=t. */
const issuerName = () => Uint8Array.from(Buffer.from("300c310a300806035504030c0174", "hex"));

/** What an agent reads of the first shard: the set of its snapshot, and the indices of its list. */
async function readShard(controller: TestController) {
  await controller.outbox.drain();
  const { issuer } = controller.revocation;
  const get = (topic: Parameters<typeof formatTopic>[0]) => {
    const payload = controller.retained.get(formatTopic(topic));
    if (payload === undefined) throw new Error(`nothing is retained on ${formatTopic(topic)}`);
    return payload;
  };
  const head = decodeMessage(decodeEnvelope(get({ type: "head", issuer })).payload).body as RevocationHead;
  const [shard] = head.shards;
  if (shard === undefined) throw new Error("the head has no shard");
  const parts = (type: "snapshot-part" | "crl-part", epoch: number, length: number) =>
    joinParts(
      Array.from({ length: partCount(length) }, (_, part) => get({ type, issuer, shard: shard.shard, epoch, part })),
      length,
    );
  const bytes = parts("snapshot-part", shard.snapshotEpoch, shard.snapshotLength);
  expect(sha256Hex(bytes)).toBe(Buffer.from(shard.snapshotSha256).toString("hex"));
  const list = parseCrl(parts("crl-part", shard.crlEpoch, shard.crlLength));
  expect(shard.revokedCount).toBe(list.entryCount);
  return {
    head,
    revoked: [...decodeSnapshot(bytes, shard.coveredTo).indices()],
    listed: [...list.entries()].map(({ serial }) => serial.index).sort((a = 0, b = 0) => a - b),
  };
}
