import { formatTopic, type Topic } from "@fleetcert/proto";
import fc from "fast-check";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type PublishedHead, RevocationWorld } from "../../../test/support/revocation/revocation-world.ts";
import type { RevocationCache } from "./revocation-cache.ts";

const many = Array.from({ length: 60 }, (_, index) => index * 13);
const more = [...many, 900].sort((a, b) => a - b);

let world: RevocationWorld;
beforeAll(async () => {
  world = await RevocationWorld.begin();
});
beforeEach(() => {
  world.shelf.clear();
});

const first = () => world.publish(4, [{ shard: 1, revoked: many }]);
const second = () => world.publish(5, [{ shard: 1, revoked: more, patchFrom: [4] }]);
const patchTopic = () => formatTopic({ type: "crl-patch", issuer: world.issuer.id, shard: 1, from: 4, to: 5 });

/** Types of the topics that were fetched. */
async function apply(cache: RevocationCache, published: PublishedHead): Promise<string[]> {
  const asked: Topic[] = [];
  await world.apply(cache, published, asked);
  return asked.map(({ type }) => type);
}

describe("a device that keeps lists", () => {
  it("fetches the patch alone when it leads from the list it holds to the one the head names, and keeps the result", async () => {
    const { cache, disk } = await world.device();
    await apply(cache, await first());
    expect(await apply(cache, await second())).toEqual(["crl-patch"]);
    expect([world.status(cache, 900), world.status(cache, 13), world.status(cache, 14)]).toEqual([
      "revoked",
      "revoked",
      "good",
    ]);
    const restarted = await world.device({ disk: disk.restart() });
    expect(world.status(restarted.cache, 900)).toBe("revoked");
    expect(restarted.cache.allLists()?.[0]?.sha256).toBe(cache.allLists()?.[0]?.sha256);
  });

  it("fetches the whole list when it holds none, when the patch does not come, and when it came from elsewhere", async () => {
    const { cache } = await world.device();
    expect(await apply(cache, await second().catch(() => first().then(second)))).toEqual(["crl-part"]);

    const without = await world.device();
    await apply(without.cache, await first());
    const published = await second();
    world.shelf.delete(patchTopic());
    expect(await apply(without.cache, published)).toEqual(["crl-patch", "crl-part"]);

    const misled = await world.device();
    await apply(misled.cache, await first());
    const next = await second();
    const other = await world.crl({ shard: 1, revoked: [1, 2, 3], number: 5 });
    world.shelf.set(patchTopic(), other);
    expect(await apply(misled.cache, next)).toEqual(["crl-patch", "crl-part"]);
    expect(world.status(misled.cache, 900)).toBe("revoked");
  });

  it("believes no patch with any octet changed, cut or endless: it falls back, and what it enforces is what was signed", async () => {
    await first();
    await second();
    const patch = world.shelf.get(patchTopic()) as Uint8Array;
    const changed = fc
      .tuple(fc.nat(patch.length - 1), fc.integer({ min: 1, max: 255 }))
      .map(([at, mask]) => patch.with(at, (patch[at] as number) ^ mask));
    const cut = fc.nat(patch.length - 1).map((end) => patch.subarray(0, end));
    await fc.assert(
      fc.asyncProperty(fc.oneof(changed, cut, fc.uint8Array({ maxLength: 200 })), async (hostile) => {
        const { cache } = await world.device();
        await apply(cache, await first());
        const head = await second();
        world.shelf.set(patchTopic(), hostile);
        expect((await apply(cache, head))[0]).toBe("crl-patch");
        expect([world.status(cache, 900), world.status(cache, 14)]).toEqual(["revoked", "good"]);
      }),
      { numRuns: process.env["FLEETCERT_LONG"] === "1" ? 5000 : 60 },
    );
  });
});
