import { formatTopic, parseTopic, type Topic } from "@fleetcert/proto";
import { IndexSet, isFleetError } from "@fleetcert/shared";
import { beforeEach, describe, expect, it } from "vitest";
import { CrashingStateStore } from "../../../test/support/agent/crashing-state-store.ts";
import { testNow } from "../../../test/support/pki/fleet-trust.ts";
import { type PublishedHead, RevocationWorld } from "../../../test/support/revocation/revocation-world.ts";
import { many, range, snapshotsOf, snapshotTopic } from "../../../test/support/revocation/snapshot-contents.ts";
import type { RevocationCache } from "./revocation-cache.ts";

const hour = 3_600_000;

const world = await RevocationWorld.begin();
const { aDevice, shardAt, publish } = snapshotsOf(world);

beforeEach(() => {
  world.shelf.clear();
});

/** The cases of The Update Framework's conformance suite, for snapshots and deltas. */
describe("a hostile broker, of snapshots", () => {
  it("rollback: cannot bring back an older epoch, also not after a restart", async () => {
    const device = await aDevice();
    const older = await publish(4, []);
    await world.apply(device.cache, await publish(5));
    await expectRefusal(device.cache, older, "rollback");
    const restarted = await aDevice({ disk: device.disk.restart(), now: 0 });
    await expectRefusal(restarted.cache, older, "rollback");
  });

  it("freeze: cannot hide that its state is old; what was revoked stays revoked", async () => {
    const { cache, clock } = await aDevice();
    await world.apply(cache, await publish(4));
    clock.advance(2 * hour);
    expect(cache.epochs()[0]?.stale).toBe(true);
    expect(world.status(cache, 13)).toBe("revoked");
  });

  it("mix-and-match: cannot pair a newer head with an older snapshot, or another one of the same epoch", async () => {
    const { cache } = await aDevice();
    const old = await publish(3, []);
    await world.apply(cache, await publish(4));
    const [oldRow] = old.head.shards;
    const { head } = await publish(5, []);
    const rows = head.shards.map((row) => ({ ...row, ...snapshotOf(oldRow) }));
    await expectRefusal(cache, await world.publish(5, [], { shards: rows }), "mix");
    await expectRefusal(cache, await world.publish(5, shardAt(4, [])), "mix");
  });

  it("mix-and-match: cannot pass off a snapshot of another epoch or shard, or a delta to another one", async () => {
    const { cache } = await aDevice();
    await world.apply(cache, await publish(4, [2]));
    const published = await publish(5, [1], { deltaFrom: new Map([[4, IndexSet.of(1024, [2])]]) });
    await world.publish(6, [{ shard: 2, revoked: [], snapshotEpoch: 5 }]);
    const delta = formatTopic({ type: "delta", issuer: world.issuer.id, shard: 1, from: 4, to: 5 });
    for (const epoch of [4, 5]) {
      const shard = epoch === 4 ? 1 : 2;
      const topic = formatTopic({ type: "snapshot-part", issuer: world.issuer.id, shard, epoch, part: 0 });
      world.shelf.set(snapshotTopic(world, 5), world.shelf.get(topic) as Uint8Array);
      world.shelf.set(delta, world.shelf.get(topic) as Uint8Array);
      dropLists();
      await expectUnmoved(cache, published);
    }
  });

  it("truncation: cannot shorten a snapshot or a delta by any number of octets", async () => {
    const { cache } = await aDevice();
    await world.apply(cache, await publish(4));
    const published = await publish(5, [3, 4, 500], { deltaFrom: new Map([[4, IndexSet.of(1024, many)]]) });
    const delta = formatTopic({ type: "delta", issuer: world.issuer.id, shard: 1, from: 4, to: 5 });
    dropLists();
    const [whole, wholeDelta] = [world.shelf.get(snapshotTopic(world, 5)), world.shelf.get(delta)] as Uint8Array[];
    for (let length = 0; length < (wholeDelta as Uint8Array).length; length++) {
      world.shelf.set(delta, (wholeDelta as Uint8Array).subarray(0, length));
      world.shelf.set(
        snapshotTopic(world, 5),
        (whole as Uint8Array).subarray(0, Math.min(length, whole?.length ?? 0) - 1),
      );
      await expectUnmoved(cache, published);
    }
  });

  it("bit flip: cannot change a bit of a snapshot", async () => {
    const { cache } = await aDevice();
    await world.apply(cache, await publish(4));
    const published = await publish(5, [3, 4, 500]);
    dropLists();
    const whole = world.shelf.get(snapshotTopic(world, 5)) as Uint8Array;
    for (let bit = 0; bit < whole.length * 8; bit++) {
      world.shelf.set(snapshotTopic(world, 5), flipped(whole, bit));
      await expectUnmoved(cache, published);
    }
    world.shelf.set(snapshotTopic(world, 5), whole);
    await world.apply(cache, published);
    expect([3, 4, 500, 13].map((index) => world.status(cache, index))).toEqual([
      "revoked",
      "revoked",
      "revoked",
      "good",
    ]);
  });

  it("bit flip: a changed bit of a delta leads to the very same snapshot or to none", async () => {
    const published = await publish(5, [3, 4, 500], { deltaFrom: new Map([[4, IndexSet.of(1024, many)]]) });
    const topic = formatTopic({ type: "delta", issuer: world.issuer.id, shard: 1, from: 4, to: 5 });
    const whole = world.shelf.get(topic) as Uint8Array;
    let device = await aDevice();
    await world.apply(device.cache, await publish(4));
    const saved = new Map(device.disk.disk);
    let refused = 0;
    for (let bit = 0; bit < whole.length * 8; bit++) {
      world.shelf.delete(snapshotTopic(world, 5));
      dropLists();
      world.shelf.set(topic, flipped(whole, bit));
      try {
        await world.apply(device.cache, published);
        expect(range(1024).filter((index) => world.status(device.cache, index) === "revoked")).toEqual([3, 4, 500]);
        device = await aDevice({ disk: new CrashingStateStore(new Map(saved)) });
      } catch (error) {
        if (!isFleetError(error)) throw error;
        expect(world.status(device.cache, 13)).toBe("revoked");
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(whole.length * 7);
  });

  it("bit flip: cannot change a bit of a head but those that say nothing", async () => {
    const { cache } = await aDevice();
    await world.apply(cache, await publish(4));
    const { envelope, head } = await publish(5, []);
    for (let bit = 0; bit < envelope.length * 8; bit++) {
      try {
        const offered = cache.examine(flipped(envelope, bit), { issuer: world.issuer.id, via: "mqtt" });
        expect(offered?.head).toMatchObject({ epoch: 5, shards: head.shards.map(({ shard }) => ({ shard })) });
        expect(Buffer.from(offered?.head.shards[0]?.snapshotSha256 ?? [])).toEqual(
          Buffer.from(head.shards[0]?.snapshotSha256 ?? []),
        );
      } catch (error) {
        if (!isFleetError(error)) throw error;
      }
    }
    expect(world.status(cache, 13)).toBe("revoked");
  });
});

describe("a stolen or broken signer, of snapshots", () => {
  it("fork: cannot give two contents to one epoch", async () => {
    const { cache } = await aDevice();
    await world.apply(cache, await publish(4));
    await expectRefusal(cache, await publish(4, []), "fork");
    const { head } = await publish(4);
    const shards = head.shards.map((row) => ({ ...row, snapshotLength: row.snapshotLength + 1 }));
    await expectRefusal(cache, await world.publish(4, [], { shards }), "fork");
  });

  it("fast-forward: is undone by a root's new era, which alone may lower the epoch", async () => {
    const device = await aDevice();
    await world.apply(device.cache, await publish(4));
    const times = { thisUpdate: testNow, nextUpdate: testNow + hour };
    await world.apply(device.cache, await world.publish(Number.MAX_SAFE_INTEGER - 1, [], times));
    await expectRefusal(device.cache, await publish(5), "rollback");
    await device.trust.accept(await world.bundle({ era: 2, version: 1 }));
    await world.apply(device.cache, await world.publish(6, shardAt(6), { era: 2 }));
    expect(world.status(device.cache, 13)).toBe("revoked");
  });

  it.each([
    ["of a later epoch than the head's", { snapshotEpoch: 6 }],
    ["without octets", { snapshotLength: 0 }],
    ["longer than its range can need", { snapshotLength: 1024 }],
    ["of a range no snapshot can cover", { coveredTo: (1 << 24) + 1 }],
    ["of a range that begins late", { coveredFrom: 1 }],
  ])("malformed: a snapshot %s is refused before anything is fetched", async (_, change) => {
    const { cache } = await aDevice();
    const { head } = await publish(5);
    const shards = head.shards.map((row) => ({ ...row, ...change }));
    const asked: Topic[] = [];
    await expect(world.apply(cache, await world.publish(5, [], { shards }), asked)).rejects.toMatchObject({
      fault: "malformed",
    });
    expect(asked).toEqual([]);
  });

  it("malformed: a snapshot with the right hash that is none is not believed", async () => {
    const { cache } = await aDevice();
    const { head } = await publish(5);
    const other = await world.publish(5, [{ shard: 1, revoked: many, snapshotEpoch: 5, coveredTo: 2048 }]);
    const shards = other.head.shards.map((row) => ({ ...row, coveredTo: head.shards[0]?.coveredTo ?? 0 }));
    dropLists();
    await expectUnmoved(cache, await world.publish(5, [], { shards }));
  });
});

function snapshotOf(row: PublishedHead["head"]["shards"][number] | undefined) {
  if (row === undefined) throw new Error("no such shard");
  const { snapshotEpoch, snapshotLength, snapshotSha256 } = row;
  return { snapshotEpoch, snapshotLength, snapshotSha256 };
}

/** Without lists there is no other way than the snapshot. */
function dropLists(): void {
  for (const topic of [...world.shelf.keys()]) if (parseTopic(topic)?.type === "crl-part") world.shelf.delete(topic);
}

/** Refused with this fault, and what is held stays as it was. */
async function expectRefusal(cache: RevocationCache, published: PublishedHead, fault: string): Promise<void> {
  const before = cache.show();
  await expect(world.apply(cache, published)).rejects.toMatchObject({ code: "revocation-invalid", fault });
  expect(cache.show()).toEqual(before);
}

/** Not applied for want of anything that verifies, and what is held stays as it was. */
async function expectUnmoved(cache: RevocationCache, published: PublishedHead): Promise<void> {
  const before = cache.show();
  await expect(world.apply(cache, published)).rejects.toSatisfy(isFleetError);
  expect(cache.show()).toEqual(before);
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  return bytes.with(bit >> 3, (bytes[bit >> 3] as number) ^ (1 << (bit & 7)));
}
