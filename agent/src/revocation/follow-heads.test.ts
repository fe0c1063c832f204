import { type BodyOf, parseTopic, type Topic } from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { KeptLog, SteppedTimer, settled, steadyRandom } from "../../../test/support/agent/agent-surroundings.ts";
import { CrashingStateStore, PowerCut } from "../../../test/support/agent/crashing-state-store.ts";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { ManualTimer } from "../../../test/support/manual-timer.ts";
import { aCommandKey, testNow } from "../../../test/support/pki/fleet-trust.ts";
import { RevocationWorld, serialOf } from "../../../test/support/revocation/revocation-world.ts";
import { until } from "../../../test/support/until.ts";
import type { Timer } from "../ports.ts";
import { type RetainedSource, RetainedTopics } from "../retained/retained-topics.ts";
import { HeadFollower, type RevocationNews } from "./follow-heads.ts";

let world: RevocationWorld;
let stops: (() => Promise<void>)[] = [];
beforeAll(async () => {
  world = await RevocationWorld.begin();
});
beforeEach(() => {
  world.shelf.clear();
});
afterEach(async () => {
  for (const stop of stops) await stop();
  stops = [];
});

describe("following heads", () => {
  it("applies an epoch, tells the ack and that something changed", async () => {
    const { follower, told, cache, changes } = await aFollower();
    await follower.offer(world.issuer.id, (await world.publish(4, [{ shard: 1, revoked: [7] }])).envelope);
    await until(() => told.length === 1);
    expect(told).toMatchObject([{ type: "ack", epoch: 4, issuer: world.issuer.id }]);
    expect(changes.count).toBe(1);
    expect(cache.isRevoked(world.issuer.id, serialOf(1, 7)).status).toBe("revoked");
  });

  it("keeps a head that came before it began to run", async () => {
    const { follower, told, begin } = await aFollower({ isWaiting: true });
    await follower.offer(world.issuer.id, (await world.publish(4, [{ shard: 1, revoked: [] }])).envelope);
    await settled();
    expect(told).toEqual([]);
    begin();
    await until(() => told.length === 1);
  });

  it("acks again at a start what is in force, so that no ack is lost to a cut", async () => {
    const first = await aFollower();
    await first.follower.offer(world.issuer.id, (await world.publish(4, [{ shard: 1, revoked: [] }])).envelope);
    await until(() => first.told.length === 1);
    const second = await aFollower({ disk: first.disk.restart() });
    await until(() => second.told.length === 1);
    expect(second.told).toEqual(first.told);
  });

  it("goes on to the newest head that came while it was fetching, and never back", async () => {
    const { follower, told, gate } = await aFollower({ isGated: true });
    const heads = [];
    for (const epoch of [4, 5, 7, 6]) heads.push(await world.publish(epoch, [{ shard: 1, revoked: [epoch] }]));
    for (const { envelope } of heads) await follower.offer(world.issuer.id, envelope);
    gate.resolve();
    await until(() => told.length === 1);
    await settled();
    expect(told.map((body) => body.type === "ack" && body.epoch)).toEqual([7]);
  });

  it("waits no longer for parts of an epoch, which may be cleared by now, once a newer head is there", async () => {
    const topics = { subscribe: async () => undefined, unsubscribe: async () => undefined };
    const clock = new ManualClock(testNow);
    const timer = new ManualTimer(clock);
    const retained = new RetainedTopics({ topics, timer, log: new KeptLog(), patience: 9_000 });
    const { follower, told } = await aFollower({ retained, timer });
    await follower.offer(world.issuer.id, (await world.publish(4, [{ shard: 1, revoked: [4] }])).envelope);
    await timer.advance(100);
    world.shelf.clear();
    const { envelope } = await world.publish(5, [{ shard: 1, revoked: [5] }]);
    const [name = "", part = new Uint8Array()] = [...world.shelf][0] ?? [];
    const topic = parseTopic(name) as Topic;
    await follower.offer(world.issuer.id, envelope);
    await timer.advance(0);
    retained.offer(topic, part);
    await timer.advance(0);
    expect(told).toMatchObject([{ type: "ack", epoch: 5 }]);
    expect(clock.now() - testNow).toBe(100);
  });

  it("lets a fetch finish after three that were overtaken: heads must not come faster than they can be followed", async () => {
    const { follower, told, gate } = await aFollower({ isGated: true });
    const fetched = (): Promise<void> => settled();
    for (const epoch of [4, 5, 6, 7, 8]) {
      await follower.offer(world.issuer.id, (await world.publish(epoch, [{ shard: 1, revoked: [epoch] }])).envelope);
      await fetched();
    }
    gate.resolve();
    await until(() => told.length === 2);
    expect(told.map((body) => body.type === "ack" && body.epoch)).toEqual([7, 8]);
  });

  it("tries again with growing pauses while parts do not come, at once when a session is live again", async () => {
    const { follower, told, timer } = await aFollower();
    const { envelope } = await world.publish(4, [{ shard: 1, revoked: [] }]);
    const [topic, part] = [...world.shelf][0] as [string, Uint8Array];
    world.shelf.clear();
    await follower.offer(world.issuer.id, envelope);
    for (const expected of [1000, 2000, 4000]) {
      await until(() => timer.sleeping.length === 1);
      expect(timer.sleeping).toEqual([expected]);
      await timer.wakeAll();
    }
    await until(() => timer.sleeping.length === 1);
    world.shelf.set(topic, part);
    follower.connected();
    await until(() => told.length === 1);
    expect(told).toMatchObject([{ type: "ack", epoch: 4 }]);
  });

  it("is not made to hurry by the same head sent over and over", async () => {
    const { follower, timer, asked } = await aFollower();
    const { head, envelope } = await world.publish(4, [{ shard: 1, revoked: [] }]);
    world.shelf.clear();
    await follower.offer(world.issuer.id, envelope);
    await until(() => timer.sleeping.length === 1);
    for (let times = 0; times < 20; times++) await follower.offer(world.issuer.id, await world.signHead(head));
    await settled();
    expect(asked).toHaveLength(1);
  });
});

describe("what is refused", () => {
  it("raises one alarm for a flood of rollbacks, which names the epoch held", async () => {
    const { follower, told } = await aFollower();
    const older = [];
    for (const epoch of [2, 3]) older.push(await world.publish(epoch, []));
    await follower.offer(world.issuer.id, (await world.publish(4, [{ shard: 1, revoked: [] }])).envelope);
    await until(() => told.length === 1);
    for (const { envelope } of older) await follower.offer(world.issuer.id, envelope);
    const details = { issuer: world.issuer.id, heldEra: "1", heldEpoch: "4" };
    const event = { type: "event", name: "revocation-rollback", at: expect.any(Number), details };
    expect(told.slice(1)).toEqual([event, event]);
  });

  it.each([
    ["revocation-fork", () => world.publish(4, [{ shard: 1, revoked: [1] }])],
    ["revocation-mix", () => world.publish(5, [{ shard: 1, revoked: [1], crlEpoch: 4 }])],
    ["revocation-wrong-issuer", () => world.publish(5, [], { signer: world.messages.signer })],
    [
      "revocation-wrong-number",
      async () => {
        const der = await world.crl({ shard: 1, revoked: [], number: 9 });
        return await world.publish(5, [], { shards: [world.shelve(der, { shard: 1, epoch: 5 })] });
      },
    ],
  ])("is told as %s, and the epoch before stays in force", async (name, attack) => {
    const { follower, told, cache } = await aFollower();
    await follower.offer(world.issuer.id, (await world.publish(4, [{ shard: 1, revoked: [7] }])).envelope);
    await until(() => told.length === 1);
    await follower.offer(world.issuer.id, (await attack()).envelope);
    await until(() => told.length === 2);
    expect(told[1]).toMatchObject({ type: "event", name });
    expect(cache.epochs()).toMatchObject([{ epoch: 4 }]);
  });

  it("is told as truncated and wrong-hash, and tried again: the broker may give the right parts later", async () => {
    const { follower, told, timer } = await aFollower();
    const { envelope } = await world.publish(4, [{ shard: 1, revoked: [7] }]);
    const [topic, part] = [...world.shelf][0] as [string, Uint8Array];
    world.shelf.set(topic, part.subarray(1));
    await follower.offer(world.issuer.id, envelope);
    await until(() => timer.sleeping.length === 1);
    world.shelf.set(topic, part.with(0, 0));
    await timer.wakeAll();
    await until(() => timer.sleeping.length === 1);
    world.shelf.set(topic, part);
    await timer.wakeAll();
    await until(() => told.length === 3);
    const names = told.map((body) => (body.type === "event" ? body.name : body.type));
    expect(names).toEqual(["revocation-truncated", "revocation-wrong-hash", "ack"]);
  });

  it("raises no alarm for a head the trust bundle does not vouch for, and looks again when a new bundle does", async () => {
    const { follower, told, trust } = await aFollower();
    const next = aCommandKey("heads", { issuers: [world.issuer.id] });
    const { envelope } = await world.publish(4, [{ shard: 1, revoked: [] }], { signer: next.signer });
    await follower.offer(world.issuer.id, envelope);
    await settled();
    expect(told).toEqual([]);
    await trust.accept(await world.bundle({ version: 2, commandKeys: [next.entry] }));
    await follower.trustChanged();
    await until(() => told.length === 1);
    expect(told).toMatchObject([{ type: "ack", epoch: 4 }]);
  });

  it("waits for the root's word on a new era", async () => {
    const { follower, told, trust } = await aFollower();
    const { envelope } = await world.publish(4, [{ shard: 1, revoked: [] }], { era: 2 });
    await follower.offer(world.issuer.id, envelope);
    await follower.trustChanged();
    await settled();
    expect(told).toEqual([]);
    await trust.accept(await world.bundle({ era: 2 }));
    await follower.trustChanged();
    await until(() => told.length === 1);
  });

  it("is told of at the start when the disk lost an epoch", async () => {
    const first = await aFollower();
    await first.follower.offer(world.issuer.id, (await world.publish(4, [{ shard: 1, revoked: [] }])).envelope);
    await until(() => first.told.length === 1);
    for (const copy of ["a", "b"]) first.disk.disk.set(`revocation/head/${world.issuer.id}/${copy}`, new Uint8Array(9));
    const second = await aFollower({ disk: first.disk.restart() });
    await until(() => second.told.length === 1);
    expect(second.told).toMatchObject([{ name: "revocation-state-lost", details: { issuer: world.issuer.id } }]);
  });

  it("does not end the following when the outbox is full", async () => {
    const { follower, cache } = await aFollower({
      enqueue: () => Promise.reject(new FleetError("rate-limited", "full", { retry: true })),
    });
    for (const epoch of [4, 5]) {
      await follower.offer(world.issuer.id, (await world.publish(epoch, [{ shard: 1, revoked: [] }])).envelope);
      await until(() => cache.epochs()[0]?.epoch === epoch);
    }
    expect(cache.epochs()).toMatchObject([{ epoch: 5 }]);
  });

  it("ends the following when the disk is gone", async () => {
    const { follower, disk, running } = await aFollower();
    disk.cutPower({ inWrites: 1, afterDisk: false });
    const ended = expect(running()).rejects.toThrow(PowerCut);
    await follower.offer(world.issuer.id, (await world.publish(4, [{ shard: 1, revoked: [] }])).envelope);
    await ended;
    stops = [];
  });
});

async function aFollower(
  options: {
    readonly disk?: CrashingStateStore;
    readonly isWaiting?: boolean;
    readonly isGated?: boolean;
    readonly enqueue?: RevocationNews["enqueue"];
    readonly retained?: RetainedSource;
    readonly timer?: Timer;
  } = {},
) {
  const device = await world.device({ disk: options.disk ?? new CrashingStateStore(), now: testNow });
  const told: (BodyOf<"ack"> | BodyOf<"event">)[] = [];
  const asked: Topic[] = [];
  const changes = { count: 0 };
  const timer = new SteppedTimer();
  const gate = Promise.withResolvers<void>();
  if (options.isGated !== true) gate.resolve();
  const source = world.retained(asked);
  const gated: RetainedSource = {
    ...source,
    async fetch(topics, signal) {
      const gone = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => gone.reject(signal.reason), { once: true });
      await Promise.race([gate.promise, gone.promise]);
      return await source.fetch(topics, signal);
    },
  };
  const follower = new HeadFollower({
    ...device,
    retained: options.retained ?? gated,
    news: { enqueue: options.enqueue ?? (async (body) => void told.push(body)) },
    timer: options.timer ?? timer,
    random: steadyRandom,
    applied: () => {
      changes.count++;
    },
  });
  const end = new AbortController();
  let run: Promise<void> = Promise.resolve();
  const begin = () => {
    run = follower.run(end.signal);
    run.catch(() => {});
  };
  if (options.isWaiting !== true) begin();
  stops.push(async () => {
    end.abort();
    await run;
  });
  return { ...device, follower, told, asked, changes, timer, gate, begin, running: () => run };
}
