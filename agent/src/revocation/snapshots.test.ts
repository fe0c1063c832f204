import { formatTopic, type Topic } from "@fleetcert/proto";
import { IndexSet, Serial } from "@fleetcert/shared";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { hostileOffers, offer } from "../../../test/support/attackers/hostile-offer.ts";
import { testNow } from "../../../test/support/pki/fleet-trust.ts";
import { type PublishedHead, RevocationWorld, serialOf } from "../../../test/support/revocation/revocation-world.ts";
import { many, range, snapshotsOf, snapshotTopic } from "../../../test/support/revocation/snapshot-contents.ts";

const world = await RevocationWorld.begin();
const { aDevice, shardAt, publish } = snapshotsOf(world);

beforeEach(() => {
  world.shelf.clear();
});

describe("a device that follows snapshots", () => {
  it("answers exactly for every index covered, beyond it never good, and fetches no list", async () => {
    const { cache } = await aDevice();
    const asked: Topic[] = [];
    await world.apply(cache, await publish(4), asked);
    expect(asked).toEqual([{ type: "snapshot-part", issuer: world.issuer.id, shard: 1, epoch: 4, part: 0 }]);
    const answers = range(1100).map((index) => world.status(cache, index));
    expect(answers).toEqual(
      range(1100).map((index) => (index >= 1024 ? "unknown" : many.includes(index) ? "revoked" : "good")),
    );
    const ask = (serial: Serial, issuer = world.issuer.id) => cache.isRevoked(issuer, serial);
    expect(ask(serialOf(1, 1024))).toMatchObject({ why: "too-old", epoch: { epoch: 4, isStale: false } });
    expect(ask(serialOf(2, 0))).toMatchObject({ why: "too-old" });
    expect(ask(Serial.parse("77"))).toMatchObject({ why: "not-ours" });
    expect(ask(serialOf(1, 0), "f".repeat(64))).toEqual({
      status: "unknown",
      why: "not-ours",
      issuer: "f".repeat(64),
    });
    expect(ask(serialOf(1, 0), world.other.id)).toMatchObject({ why: "nothing-held" });
  });

  it("calls no certificate of an issuer good that its trust bundle holds no more, and revoked ones still revoked (I3)", async () => {
    const { cache, trust } = await aDevice();
    await world.apply(cache, await publish(4));
    const [revoked, good] = [13, 14];
    expect([world.status(cache, revoked), world.status(cache, good)]).toEqual(["revoked", "good"]);
    await trust.accept(await world.bundle({ version: 2, issuers: [world.other.certificate.der] }));
    expect([world.status(cache, revoked), world.status(cache, good)]).toEqual(["revoked", "unknown"]);
    expect(cache.isRevoked(world.issuer.id, serialOf(1, good))).toMatchObject({ why: "not-ours" });
  });

  it("tells reason and time only where the list is kept", async () => {
    const without = await aDevice();
    const published = await publish(4);
    await world.apply(without.cache, published);
    expect(without.cache.isRevoked(world.issuer.id, serialOf(1, 13))).not.toHaveProperty("reason");
    expect(without.cache.show()[0]?.shards).toMatchObject([{ holds: ["snapshot"], entries: 60 }]);
    const keeping = await aDevice({ disk: without.disk.restart(), keepsLists: true });
    expect(keeping.cache.allLists()).toBeUndefined();
    expect(await world.apply(keeping.cache, published)).toBeUndefined();
    expect(keeping.cache.isRevoked(world.issuer.id, serialOf(1, 13))).toMatchObject({
      reason: "keyCompromise",
      at: testNow,
    });
    expect(keeping.cache.show()[0]?.shards).toMatchObject([{ holds: ["snapshot", "list"], entries: 60 }]);
    expect(keeping.cache.allLists()).toHaveLength(1);
  });

  it("takes the delta where it holds the base, also for a lifted hold and a range that grew", async () => {
    const { cache } = await aDevice();
    await world.apply(cache, await publish(4));
    const next = [...many.slice(1), 900];
    const asked: Topic[] = [];
    const deltaFrom = new Map([[4, IndexSet.of(1024, many)]]);
    await world.apply(cache, await publish(5, next, { deltaFrom, coveredTo: 2048 }), asked);
    expect(asked).toEqual([{ type: "delta", issuer: world.issuer.id, shard: 1, from: 4, to: 5 }]);
    expect([0, 13, 900, 2047, 2048].map((index) => world.status(cache, index))).toEqual([
      "good",
      "revoked",
      "revoked",
      "good",
      "unknown",
    ]);
  });

  it("takes the whole snapshot where the delta does not come, was tampered with, or starts elsewhere", async () => {
    const topic = formatTopic({ type: "delta", issuer: world.issuer.id, shard: 1, from: 4, to: 5 });
    const changes: ((delta: Uint8Array) => Uint8Array | undefined)[] = [
      () => undefined,
      (delta) => delta.with(38, 9),
      (delta) => delta.subarray(0, 20),
      (delta) => delta.with(10, (delta[10] as number) ^ 1),
    ];
    for (const change of changes) {
      const { cache } = await aDevice();
      await world.apply(cache, await publish(4));
      const published = await publish(5, [1], { deltaFrom: new Map([[4, IndexSet.of(1024, many)]]) });
      const changed = change(world.shelf.get(topic) as Uint8Array);
      if (changed === undefined) world.shelf.delete(topic);
      else world.shelf.set(topic, changed);
      const asked: Topic[] = [];
      await world.apply(cache, published, asked);
      expect(asked.map(({ type }) => type)).toEqual(["delta", "snapshot-part"]);
      expect([world.status(cache, 1), world.status(cache, 13)]).toEqual(["revoked", "good"]);
    }
  });

  it("takes the list where no snapshot can be had, and answers as exactly", async () => {
    const { cache } = await aDevice();
    const published = await publish(4);
    world.shelf.delete(snapshotTopic(world, 4));
    await world.apply(cache, published);
    expect(cache.show()[0]?.shards).toMatchObject([{ holds: ["list"] }]);
    expect([world.status(cache, 13), world.status(cache, 14), world.status(cache, 1024)]).toEqual([
      "revoked",
      "good",
      "unknown",
    ]);
    await world.apply(cache, await publish(5));
    expect(cache.show()[0]?.shards).toMatchObject([{ holds: ["snapshot"] }]);
  });

  it("fetches nothing when only the head is new, and leaves nothing on the disk that is not in force", async () => {
    const { cache, disk } = await aDevice();
    for (const epoch of [4, 5, 6]) await world.apply(cache, await publish(epoch, [epoch]));
    const asked: Topic[] = [];
    await world.apply(cache, await world.publish(7, shardAt(6, [6])), asked);
    expect(asked).toEqual([]);
    expect(await disk.keys("revocation/snapshot/", 100)).toHaveLength(2);
    expect(await disk.keys("revocation/list/", 100)).toHaveLength(0);
  });

  it("enforces after a restart without network, and is healed from the other copy (I3)", async () => {
    const { cache, disk } = await aDevice();
    const published = await publish(4);
    await world.apply(cache, published);
    const hurt = (copies: readonly string[]) => {
      const keys = [...disk.disk.keys()].filter((key) => key.startsWith("revocation/snapshot/"));
      for (const key of keys.filter((one) => copies.includes(one.slice(-1)))) {
        disk.disk.set(key, (disk.disk.get(key) as Uint8Array).with(40, 0xee));
      }
    };
    for (const copies of [[], ["a"], ["b"]]) {
      hurt(copies);
      const restarted = await aDevice({ disk: disk.restart() });
      expect([world.status(restarted.cache, 13), world.status(restarted.cache, 14)]).toEqual(["revoked", "good"]);
    }
    hurt(["a", "b"]);
    const lost = await aDevice({ disk: disk.restart() });
    expect(lost.cache.isRevoked(world.issuer.id, serialOf(1, 14))).toMatchObject({ why: "damaged" });
    expect(await world.apply(lost.cache, published)).toBeUndefined();
    expect([world.status(lost.cache, 13), world.status(lost.cache, 14)]).toEqual(["revoked", "good"]);
  });
});

describe("whatever is offered and wherever the power is cut, of snapshots (I3)", () => {
  it("the epoch in force never falls, is whole across shards, and what it revokes is never good", async () => {
    const set = (epoch: number) => IndexSet.of(1024, range(epoch));
    const epochs: PublishedHead[] = [];
    for (let epoch = 1; epoch <= 6; epoch++) {
      const deltaFrom = new Map(epoch > 1 ? [[epoch - 1, set(epoch - 1)]] : []);
      const shard = (number: number) => ({ shard: number, revoked: range(epoch), snapshotEpoch: epoch, deltaFrom });
      epochs.push(await world.publish(epoch, [shard(1), shard(2)]));
    }
    const shelf = new Map(world.shelf);
    const step = fc.record({ ...hostileOffers({ epochs: 6, writes: 5 }), keepsLists: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        let device = await aDevice();
        let highest = 0;
        for (const { keepsLists, ...step } of steps) {
          const isDown = await offer(world, device, { published: epochs, shelf, ...step });
          if (isDown) device = await aDevice({ disk: device.disk.restart(), keepsLists });
          const held = device.cache.epochs()[0]?.epoch ?? 0;
          expect(held).toBeGreaterThanOrEqual(highest);
          for (const shard of [1, 2]) {
            const answers = range(8).map((index) => world.status(device.cache, index, shard));
            expect(answers).toEqual(
              range(8).map((index) => (held === 0 ? "unknown" : index < held ? "revoked" : "good")),
            );
          }
          highest = held;
        }
      }),
      { numRuns: process.env["FLEETCERT_LONG"] === "1" ? 1000 : 60 },
    );
  });
});
