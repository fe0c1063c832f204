import { formatTopic, type HeadShard } from "@fleetcert/proto";
import fc from "fast-check";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { hostileOffers, offer } from "../../../test/support/attackers/hostile-offer.ts";
import { testNow } from "../../../test/support/pki/fleet-trust.ts";
import {
  type PublishedHead,
  RevocationWorld,
  type ShardContent,
  serialOf,
} from "../../../test/support/revocation/revocation-world.ts";
import { range } from "../../../test/support/revocation/snapshot-contents.ts";
import type { RevocationCache } from "./revocation-cache.ts";

const hour = 3_600_000;
const { signal } = new AbortController();
const contents: readonly ShardContent[] = [{ shard: 1, revoked: [7] }];

let world: RevocationWorld;
beforeAll(async () => {
  world = await RevocationWorld.begin();
});
beforeEach(() => {
  world.shelf.clear();
});

/** The cases of The Update Framework's conformance suite that apply to a signed head over many lists. */
describe("a hostile broker", () => {
  it("rollback: cannot bring back an older epoch, also not after a restart", async () => {
    const device = await world.device();
    const older = await world.publish(4, [{ shard: 1, revoked: [] }]);
    await world.apply(device.cache, await world.publish(5, contents));
    await expectRefusal(device.cache, older, "rollback");
    const restarted = await world.device({ disk: device.disk.restart(), now: 0 });
    await expectRefusal(restarted.cache, older, "rollback");
  });

  it("rollback: cannot slip an older epoch in between looking at a newer one and applying it", async () => {
    const { cache } = await world.device();
    const from = { issuer: world.issuer.id, via: "mqtt" as const };
    const older = cache.examine((await world.publish(4, [{ shard: 1, revoked: [] }])).envelope, from);
    await world.apply(cache, await world.publish(5, contents));
    await expect(cache.apply(older as NonNullable<typeof older>, world.retained(), signal)).rejects.toMatchObject({
      fault: "rollback",
    });
    expect(cache.isRevoked(world.issuer.id, serialOf(1, 7)).status).toBe("revoked");
  });

  it("freeze: cannot hide that its state is old; what was revoked stays revoked", async () => {
    const { cache, clock } = await world.device();
    await world.apply(cache, await world.publish(4, contents));
    const fresh = () => cache.epochs()[0]?.stale;
    expect(fresh()).toBe(false);
    clock.advance(2 * hour);
    expect(fresh()).toBe(true);
    expect(cache.isRevoked(world.issuer.id, serialOf(1, 7)).status).toBe("revoked");
  });

  it("freeze: is not helped by a wall clock that is set back", async () => {
    const { cache, clock, time } = await world.device();
    await world.apply(cache, await world.publish(4, contents));
    await time.accept(testNow + 3 * hour, "token");
    clock.jump(-hour);
    expect(cache.epochs()[0]?.stale).toBe(true);
  });

  it("mix-and-match: cannot pair a newer head with an older list of a shard", async () => {
    const { cache } = await world.device();
    const old = await world.publish(3, [{ shard: 1, revoked: [] }]);
    await world.apply(cache, await world.publish(4, contents));
    await expectRefusal(cache, await world.publish(5, [], { shards: old.head.shards }), "mix");
  });

  it("mix-and-match: cannot give another list for the epoch a list already came of", async () => {
    const { cache } = await world.device();
    await world.apply(cache, await world.publish(4, contents));
    await expectRefusal(cache, await world.publish(5, [{ shard: 1, revoked: [], crlEpoch: 4 }]), "mix");
  });

  it("mix-and-match: cannot join parts of two epochs", async () => {
    const { cache } = await world.device();
    const revoked = Array.from({ length: 1500 }, (_, index) => index);
    await world.publish(4, [{ shard: 1, revoked: revoked.map((index) => index + 1) }]);
    const published = await world.publish(5, [{ shard: 1, revoked }]);
    const part = (epoch: number) =>
      formatTopic({ type: "crl-part", issuer: world.issuer.id, shard: 1, epoch, part: 0 });
    world.shelf.set(part(5), world.shelf.get(part(4)) as Uint8Array);
    await expectRefusal(cache, published, "wrong-hash");
  });

  it("truncation: cannot shorten a list, drop a part or swap two", async () => {
    const { cache } = await world.device();
    const revoked = Array.from({ length: 3000 }, (_, index) => index);
    const published = await world.publish(5, [{ shard: 1, revoked }]);
    const whole = new Map(world.shelf);
    const [first, second] = [...world.shelf.keys()] as [string, string];
    const last = [...world.shelf.keys()].at(-1) as string;
    const tamper = async (change: () => void, fault: string) => {
      for (const [topic, bytes] of whole) world.shelf.set(topic, bytes);
      change();
      await expectRefusal(cache, published, fault);
    };
    await tamper(() => world.shelf.set(last, (whole.get(last) as Uint8Array).subarray(1)), "truncated");
    await tamper(() => world.shelf.set(first, (whole.get(first) as Uint8Array).subarray(1)), "truncated");
    await tamper(() => world.shelf.set(first, whole.get(second) as Uint8Array), "wrong-hash");
    world.shelf.delete(last);
    await expect(world.apply(cache, published)).rejects.toMatchObject({ code: "timeout" });
    for (const [topic, bytes] of whole) world.shelf.set(topic, bytes);
    await world.apply(cache, published);
    expect(cache.epochs()[0]?.epoch).toBe(5);
  });

  it("wrong hash: cannot change a single bit of a list", async () => {
    const { cache } = await world.device();
    const published = await world.publish(5, contents);
    const [topic, bytes] = [...world.shelf][0] as [string, Uint8Array];
    for (let at = 0; at < bytes.length; at += 3) {
      world.shelf.set(topic, bytes.with(at, (bytes[at] as number) ^ 1));
      await expectRefusal(cache, published, "wrong-hash");
    }
  });
});

describe("a stolen or broken signer", () => {
  it("fork: cannot give two contents to one epoch", async () => {
    const { cache } = await world.device();
    await world.apply(cache, await world.publish(4, contents));
    await expectRefusal(cache, await world.publish(4, [{ shard: 1, revoked: [] }]), "fork");
    const { head } = await world.publish(4, contents);
    const longer = { ...head, nextUpdate: head.nextUpdate + hour };
    await expectRefusal(cache, { head: longer, envelope: await world.signHead(longer) }, "fork");
  });

  it("fast-forward: is undone by a root's new era, which alone may lower the epoch", async () => {
    const device = await world.device();
    await world.apply(device.cache, await world.publish(4, contents));
    const ahead = await world.publish(Number.MAX_SAFE_INTEGER - 1, [], {
      thisUpdate: testNow,
      nextUpdate: testNow + hour,
    });
    await world.apply(device.cache, ahead);
    await expectRefusal(device.cache, await world.publish(5, contents), "rollback");
    const newEra = await world.publish(6, contents, { era: 2 });
    await expectRefusal(device.cache, newEra, "era-ahead");
    await device.trust.accept(await world.bundle({ era: 2, version: 1 }));
    await world.apply(device.cache, newEra);
    expect(device.cache.epochs()).toMatchObject([{ era: 2, epoch: 6 }]);
    await expectRefusal(device.cache, ahead, "rollback");
  });

  it.each([
    ["wrong-issuer", () => world.crl({ shard: 1, revoked: [], number: 5, signer: world.other })],
    ["bad-signature", async () => flipLastBit(await world.crl({ shard: 1, revoked: [], number: 5 }))],
    ["wrong-number", () => world.crl({ shard: 1, revoked: [], number: 4 })],
    ["wrong-scope", () => world.crl({ shard: 2, revoked: [], number: 5 })],
    ["wrong-scope", () => world.crl({ shard: 1, revoked: [], number: 5, scope: `${world.other.id}/1` })],
    ["malformed", async () => Buffer.from("this is no list")],
  ])("%s: a list the head names, but that is not this shard's, is refused", async (fault, make) => {
    const { cache } = await world.device();
    await world.apply(cache, await world.publish(4, contents));
    const shard = world.shelve(await make(), { shard: 1, epoch: 5 });
    await expectRefusal(cache, await world.publish(5, [], { shards: [shard] }), fault);
    expect(cache.isRevoked(world.issuer.id, serialOf(1, 7)).status).toBe("revoked");
  });

  it.each<[string, string, Partial<HeadShard>]>([
    ["malformed", "a list of a later epoch than its own", { crlEpoch: 6 }],
    ["malformed", "a shard without a list", { crlLength: 0 }],
    ["malformed", "a range that ends before it begins", { coveredFrom: 9, coveredTo: 3 }],
  ])("%s: a head with %s is refused before anything is fetched", async (fault, _, change) => {
    const { cache } = await world.device();
    const { head } = await world.publish(5, contents);
    const shards = head.shards.map((shard) => ({ ...shard, ...change }));
    await expectRefusal(cache, await world.publish(5, [], { shards }), fault);
  });

  it("malformed: a head that names a shard twice, or ends before it begins, is refused", async () => {
    const { cache } = await world.device();
    const { head } = await world.publish(5, contents);
    await expectRefusal(cache, await world.publish(5, [], { shards: [...head.shards, ...head.shards] }), "malformed");
    await expectRefusal(cache, await world.publish(5, contents, { nextUpdate: 1 }), "malformed");
  });

  it("endless data: a head that promises more than a device may be made to hold is refused before a byte is fetched", async () => {
    const { cache } = await world.device();
    const { head } = await world.publish(5, contents);
    const [shard] = head.shards as [HeadShard];
    const shards = [1, 2, 3].map((number) => ({ ...shard, shard: number, crlLength: 60 * 1024 * 1024 }));
    await expectRefusal(cache, await world.publish(5, [], { shards }), "too-large");
  });
});

describe("whatever is offered and wherever the power is cut (I3)", () => {
  it("the epoch in force never falls, is whole, and what it revokes is never good", async () => {
    const epochs: PublishedHead[] = [];
    for (let epoch = 1; epoch <= 6; epoch++) {
      const crlEpoch = epoch - (epoch % 2);
      const second = epoch < 2 ? [] : [{ shard: 2, revoked: range(crlEpoch), crlEpoch }];
      epochs.push(await world.publish(epoch, [{ shard: 1, revoked: range(epoch) }, ...second]));
    }
    const shelf = new Map(world.shelf);
    const step = fc.record(hostileOffers({ epochs: 6, writes: 4 }));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        let device = await world.device();
        let highest = 0;
        for (const step of steps) {
          const isDown = await offer(world, device, { published: epochs, shelf, ...step });
          if (isDown) device = await world.device({ disk: device.disk.restart() });
          const held = device.cache.epochs()[0]?.epoch ?? 0;
          expect(held).toBeGreaterThanOrEqual(highest);
          expectWhole(device.cache, held);
          highest = held;
        }
      }),
      { numRuns: process.env["FLEETCERT_LONG"] === "1" ? 1000 : 60 },
    );
  });
});

/** In epoch n of the property test shard 1 revokes [0, n); shard 2 revokes [0, n rounded down to even). */
function expectWhole(cache: RevocationCache, epoch: number): void {
  const status = (shard: number, index: number) => cache.isRevoked(world.issuer.id, serialOf(shard, index)).status;
  if (epoch === 0) {
    expect(status(1, 0)).toBe("unknown");
    return;
  }
  expect(range(8).map((index) => status(1, index))).toEqual(
    range(8).map((index) => (index < epoch ? "revoked" : "good")),
  );
  if (epoch < 2) return;
  const even = epoch - (epoch % 2);
  expect(range(8).map((index) => status(2, index))).toEqual(
    range(8).map((index) => (index < even ? "revoked" : "good")),
  );
}

/** Refused with this fault, and what is held stays as it was. */
async function expectRefusal(cache: RevocationCache, published: PublishedHead, fault: string): Promise<void> {
  const before = cache.show();
  await expect(world.apply(cache, published)).rejects.toMatchObject({ code: "revocation-invalid", fault });
  expect(cache.show()).toEqual(before);
}

function flipLastBit(der: Uint8Array): Uint8Array {
  return der.with(der.length - 1, (der.at(-1) as number) ^ 1);
}
