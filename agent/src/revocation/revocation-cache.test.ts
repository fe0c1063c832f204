import type { Topic } from "@fleetcert/proto";
import { Serial } from "@fleetcert/shared";
import { beforeEach, describe, expect, it } from "vitest";
import { type CrashingStateStore, PowerCut } from "../../../test/support/agent/crashing-state-store.ts";
import { aCommandKey, testNow } from "../../../test/support/pki/fleet-trust.ts";
import { RevocationWorld, serialOf } from "../../../test/support/revocation/revocation-world.ts";
import type { RevocationCache } from "./revocation-cache.ts";

const hour = 3_600_000;

let world: RevocationWorld;
beforeEach(async () => {
  world = await RevocationWorld.begin();
});

describe("applying an epoch", () => {
  it("answers good, revoked and unknown, with the epoch and its age", async () => {
    const { cache, clock } = await world.device();
    await world.apply(cache, await world.publish(4, [{ shard: 1, revoked: [7] }]));
    clock.advance(10 * 60_000);
    const epoch = {
      era: 1,
      epoch: 4,
      thisUpdate: testNow + 240_000,
      nextUpdate: testNow + 240_000 + hour,
      age: 360_000,
      isStale: false,
    };
    const { issuer } = { issuer: world.issuer.id };
    expect(ask(cache, 1, 7)).toEqual({ status: "revoked", reason: "keyCompromise", at: testNow, issuer, epoch });
    expect(ask(cache, 1, 8)).toEqual({ status: "good", issuer, epoch });
    expect(ask(cache, 1, 1024)).toEqual({ status: "unknown", why: "too-old", issuer, epoch });
    expect(ask(cache, 2, 8)).toEqual({ status: "unknown", why: "too-old", issuer, epoch });
    expect(cache.isRevoked(issuer, Serial.parse("77"))).toEqual({
      status: "unknown",
      why: "not-ours",
      issuer,
      epoch,
    });
    expect(cache.isRevoked(world.other.id, serialOf(1, 8))).toEqual({
      status: "unknown",
      why: "nothing-held",
      issuer: world.other.id,
    });
  });

  it("gives the ack only once it is durable, and the same one after a restart", async () => {
    const device = await world.device();
    const ack = await world.apply(device.cache, await world.publish(4, [{ shard: 1, revoked: [] }]));
    const { issuer } = world;
    expect(ack).toMatchObject({ type: "ack", issuer: issuer.id, era: 1, epoch: 4, via: "mqtt", appliedAt: testNow });
    const restarted = await world.device({ disk: device.disk.restart() });
    expect(restarted.cache.acks()).toEqual([ack]);
  });

  it.each([1, 2])(
    "enforces the epoch before while the new one is not on the disk: power cut at write %i",
    async (inWrites) => {
      const { cache, disk } = await world.device();
      await world.apply(cache, await world.publish(4, [{ shard: 1, revoked: [7] }]));
      disk.cutPower({ inWrites, afterDisk: false });
      await expect(world.apply(cache, await world.publish(5, [{ shard: 1, revoked: [] }]))).rejects.toThrow(PowerCut);
      expect(cache.epochs()).toMatchObject([{ epoch: 4 }]);
      expect(ask(cache, 1, 7).status).toBe("revoked");
    },
  );

  it("enforces after a restart without network, time or trust (I3)", async () => {
    const device = await world.device();
    await world.apply(device.cache, await world.publish(4, [{ shard: 1, revoked: [7] }]));
    device.disk.disk.delete("trust/bundle/a");
    device.disk.disk.delete("trust/bundle/b");
    for (const now of [0, testNow + 20 * 365 * 24 * hour]) {
      const { cache } = await world.device({ disk: device.disk.restart(), now });
      expect(ask(cache, 1, 7).status).toBe("revoked");
    }
  });

  it("fetches only the shards whose list is not held", async () => {
    const { cache } = await world.device();
    const both = (epoch: number, revoked: number[]) =>
      world.publish(epoch, [
        { shard: 1, revoked: [1], crlEpoch: 4 },
        { shard: 2, revoked },
      ]);
    await world.apply(cache, await both(4, []));
    const asked: Topic[] = [];
    await world.apply(cache, await both(5, [3]), asked);
    expect(asked).toMatchObject([{ type: "crl-part", shard: 2, epoch: 5, part: 0 }]);
    expect([ask(cache, 1, 1).status, ask(cache, 2, 3).status]).toEqual(["revoked", "revoked"]);
  });

  it("joins a list of many parts", async () => {
    const { cache } = await world.device();
    const revoked = Array.from({ length: 3000 }, (_, index) => index);
    const asked: Topic[] = [];
    await world.apply(cache, await world.publish(4, [{ shard: 1, revoked, coveredTo: 4096 }]), asked);
    expect(asked.length).toBeGreaterThan(2);
    expect([ask(cache, 1, 2999).status, ask(cache, 1, 3000).status]).toEqual(["revoked", "good"]);
  });

  it("has nothing to do for the epoch it holds, sent again in a message of its own", async () => {
    const { cache } = await world.device();
    const { head } = await world.publish(4, [{ shard: 1, revoked: [] }]);
    await world.apply(cache, { head, envelope: await world.signHead(head) });
    expect(cache.examine(await world.signHead(head), { issuer: world.issuer.id, via: "mqtt" })).toBeUndefined();
  });

  it("takes a hold back when a later epoch does", async () => {
    const { cache } = await world.device();
    await world.apply(cache, await world.publish(4, [{ shard: 1, revoked: [7] }]));
    await world.apply(cache, await world.publish(5, [{ shard: 1, revoked: [] }]));
    expect(ask(cache, 1, 7).status).toBe("good");
  });

  it("raises the time floor by the head's thisUpdate", async () => {
    const { cache, time } = await world.device();
    await world.apply(cache, await world.publish(9, [{ shard: 1, revoked: [] }]));
    expect(time.floor()).toBe(testNow + 9 * 60_000);
  });

  it("keeps no list on the disk that no epoch in force names", async () => {
    const { cache, disk } = await world.device();
    for (const epoch of [4, 5, 6])
      await world.apply(cache, await world.publish(epoch, [{ shard: 1, revoked: [epoch] }]));
    expect(await disk.keys("revocation/list/", 100)).toHaveLength(2);
  });

  it("tells for people what is held, and what every issuer says of a serial", async () => {
    const { cache } = await world.device();
    await world.apply(cache, await world.publish(4, [{ shard: 1, revoked: [7] }]));
    expect(cache.show()).toMatchObject([
      {
        issuer: world.issuer.id,
        name: world.issuer.certificate.subject.text,
        epoch: 4,
        isStale: false,
        via: "mqtt",
        shards: [{ shard: 1, crlNumber: 4, entries: 1, coveredFrom: 0, coveredTo: 1024 }],
      },
    ]);
    expect(cache.check(serialOf(1, 7))).toMatchObject([{ issuer: world.issuer.id, status: "revoked" }]);
    expect(cache.epochs()).toEqual([{ issuer: world.issuer.id, era: 1, epoch: 4, stale: false }]);
    expect(cache.allLists()?.map(({ entryCount }) => entryCount)).toEqual([1]);
  });

  it("hands on no list of an issuer that has left the trust bundle, and does not wait for one either", async () => {
    const { cache, trust } = await world.device();
    await world.apply(cache, await world.publish(4, [{ shard: 1, revoked: [7] }]));
    await trust.accept(await world.bundle({ version: 9, issuers: [], commandKeys: [] }));
    expect(cache.allLists()).toBeUndefined();
    expect(cache.check(serialOf(1, 7))).toMatchObject([{ status: "revoked" }]);
  });
});

describe("a damaged disk", () => {
  const hurt = (disk: CrashingStateStore, prefix: string, copies: readonly string[]) => {
    const keys = [...disk.disk.keys()].filter((key) => key.startsWith(prefix) && copies.includes(key.slice(-1)));
    for (const key of keys) disk.disk.set(key, (disk.disk.get(key) as Uint8Array).with(40, 0xee));
    return keys.length;
  };

  it.each(["revocation/list/", "revocation/head/"])("is healed from the other copy of %s", async (prefix) => {
    const { cache, disk } = await world.device();
    await world.apply(cache, await world.publish(4, [{ shard: 1, revoked: [7] }]));
    for (const copy of ["a", "b"]) {
      expect(hurt(disk, prefix, [copy])).toBe(1);
      const restarted = await world.device({ disk: disk.restart() });
      expect(ask(restarted.cache, 1, 7).status).toBe("revoked");
    }
  });

  it("makes unknown, not good, what a lost list would tell, until the list has come again", async () => {
    const { cache, disk } = await world.device();
    const published = await world.publish(4, [
      { shard: 1, revoked: [7] },
      { shard: 2, revoked: [] },
    ]);
    await world.apply(cache, published);
    const [, hash] = [0, Buffer.from(published.head.shards[0]?.crlSha256 ?? []).toString("hex")];
    hurt(disk, `revocation/list/${world.issuer.id}/${hash}`, ["a", "b"]);
    const restarted = await world.device({ disk: disk.restart() });
    expect(ask(restarted.cache, 1, 7)).toMatchObject({ status: "unknown", why: "damaged" });
    expect(ask(restarted.cache, 1, 8)).toMatchObject({ status: "unknown", why: "damaged" });
    expect(ask(restarted.cache, 2, 8).status).toBe("good");
    const asked: Topic[] = [];
    expect(await world.apply(restarted.cache, published, asked)).toBeUndefined();
    expect(asked).toHaveLength(1);
    expect(ask(restarted.cache, 1, 7).status).toBe("revoked");
    const again = await world.device({ disk: restarted.disk.restart() });
    expect(ask(again.cache, 1, 7).status).toBe("revoked");
  });

  it("that lost the whole epoch is told of, and begins again with the next head", async () => {
    const { cache, disk } = await world.device();
    const published = await world.publish(4, [{ shard: 1, revoked: [7] }]);
    await world.apply(cache, published);
    hurt(disk, "revocation/head/", ["a", "b"]);
    const restarted = await world.device({ disk: disk.restart() });
    expect(restarted.cache.lost).toEqual([world.issuer.id]);
    await world.apply(restarted.cache, published);
    expect(ask(restarted.cache, 1, 7).status).toBe("revoked");
  });
});

describe("a head", () => {
  const from = () => ({ issuer: world.issuer.id, via: "mqtt" as const });

  it("is not believed from a key that is not in the bundle, or that the bundle no longer lists", async () => {
    const { cache } = await world.device();
    const { envelope } = await world.publish(4, [], { signer: aCommandKey("heads").signer });
    expect(() => cache.examine(envelope, from())).toThrow(expect.objectContaining({ code: "signature-invalid" }));
    const later = await world.device({ trust: await world.bundle({ version: 2, commandKeys: [] }) });
    const signed = await world.publish(5, []);
    expect(() => later.cache.examine(signed.envelope, from())).toThrow(
      expect.objectContaining({ code: "signature-invalid" }),
    );
  });

  it("is not believed from a command key of another use, another issuer or another time", async () => {
    const keys = [
      world.messages,
      aCommandKey("heads", { issuers: [world.other.id] }),
      aCommandKey("heads", { issuers: [world.issuer.id], notAfter: testNow - 1 }),
      aCommandKey("heads", { issuers: [world.issuer.id], notBefore: testNow + 2 * hour }),
    ];
    const { cache } = await world.device({
      trust: await world.bundle({ version: 2, commandKeys: keys.map(({ entry }) => entry) }),
    });
    for (const { signer } of keys) {
      const { envelope } = await world.publish(4, [], { signer });
      expect(() => cache.examine(envelope, from())).toThrow(expect.objectContaining({ code: "signer-not-allowed" }));
    }
  });

  it("of one issuer does not count on the topic of another", async () => {
    const { cache } = await world.device();
    const { envelope } = await world.publish(4, []);
    expect(() => cache.examine(envelope, { issuer: world.other.id, via: "mqtt" })).toThrow(
      expect.objectContaining({ fault: "wrong-issuer" }),
    );
  });

  it("that is past its expiry is taken and counts as stale: newer is better than older", async () => {
    const { cache } = await world.device({ now: testNow + 10 * hour });
    await world.apply(cache, await world.publish(4, [{ shard: 1, revoked: [7] }]));
    expect(ask(cache, 1, 7)).toMatchObject({ status: "revoked", epoch: { isStale: true } });
  });
});

function ask(cache: RevocationCache, shard: number, index: number) {
  return cache.isRevoked(world.issuer.id, serialOf(shard, index));
}
