import { type Body, formatTopic, type Message, parseTopic, type Topic } from "@fleetcert/proto";
import type { ProviderKey } from "@fleetcert/shared";
import { afterEach, expect, it } from "vitest";
import { KeptLog, SteppedTimer, settled, steadyRandom } from "../../../test/support/agent/agent-surroundings.ts";
import { CrashingStateStore } from "../../../test/support/agent/crashing-state-store.ts";
import { aSlot } from "../../../test/support/agent/report-facts.ts";
import { aCommandKey } from "../../../test/support/pki/fleet-trust.ts";
import { RevocationWorld, serialOf } from "../../../test/support/revocation/revocation-world.ts";
import { until } from "../../../test/support/until.ts";
import { zstdListPatches } from "../adapters/zstd-list-patches.ts";
import { assembleFollowers } from "./assemble-followers.ts";

let stop: () => Promise<void> = async () => {};
afterEach(() => stop());

it("a head on the wire ends as an ack at the controller and a report that says the epoch", async () => {
  const { agent, asked, world, timer, session } = await anAgent();
  agent.connected(session);
  await agent.fleet(...headTopic(world, (await world.publish(4, [{ shard: 1, revoked: [7] }])).envelope));
  await until(() => asked.some(({ type }) => type === "ack"));
  expect(agent.revocation.isRevoked(world.issuer.id, serialOf(1, 7)).status).toBe("revoked");
  await settled();
  await timer.wakeAll();
  await until(() => asked.some(({ type }) => type === "report"));
  const report = asked.find(({ type }) => type === "report");
  expect(report).toMatchObject({
    trustVersion: 1,
    desiredVersion: 0,
    epochs: [{ epoch: 4 }],
    slots: [{ slot: "identity" }],
  });
  await until(() => agent.outbox.length === 0);
});

it("a new trust bundle makes a head count that came before it", async () => {
  const { agent, asked, world, session } = await anAgent();
  const next = aCommandKey("heads", { issuers: [world.issuer.id] });
  agent.connected(session);
  await agent.fleet(...headTopic(world, (await world.publish(4, [], { signer: next.signer })).envelope));
  await agent.fleet({ type: "trust" }, await world.bundle({ version: 2, commandKeys: [next.entry] }));
  await until(() => asked.some((body) => body.type === "ack" && body.epoch === 4));
});

it("what could not be told waits on the disk for the next process", async () => {
  const first = await anAgent();
  await first.agent.fleet(...headTopic(first.world, (await first.world.publish(4, [])).envelope));
  await until(() => first.agent.outbox.length === 1);
  await stop();
  const second = await anAgent(first.world, first.disk.restart());
  second.agent.connected(second.session);
  await until(() => second.asked.some(({ type }) => type === "ack"));
});

it("a store that fails ends the run", async () => {
  const { agent, world, disk, running } = await anAgent();
  disk.cutPower({ inWrites: 1, afterDisk: false });
  const ended = expect(running).rejects.toThrow("power cut");
  await agent.fleet(...headTopic(world, (await world.publish(4, [])).envelope));
  await ended;
  stop = async () => {};
});

async function anAgent(known?: RevocationWorld, disk = new CrashingStateStore()) {
  const world = known ?? (await RevocationWorld.begin());
  const device = await world.device({ disk });
  const timer = new SteppedTimer();
  const asked: Body[] = [];
  const agent = await assembleFollowers({
    ...device,
    state: disk,
    topics: {
      async subscribe(filters) {
        for (const filter of filters) deliver(filter);
      },
      async unsubscribe() {},
    },
    conversation: {
      async ask(body) {
        asked.push(body);
        return { body: { type: "received" } } as Message;
      },
      async tell() {},
    },
    surroundings: { clock: device.clock, random: steadyRandom, timer, log: new KeptLog(), failpoint: async () => {} },
    agentVersion: "0.1.0",
    platform: "test",
    keepsLists: false,
    failOpenFor: () => Number.POSITIVE_INFINITY,
    outputs: [],
    patches: zstdListPatches,
    slots: () => [aSlot()],
    desired: () => undefined,
  });
  const deliver = (filter: string) => {
    const payload = world.shelf.get(filter);
    if (payload !== undefined) setImmediate(() => void agent.fleet(parseTopic(filter) as Topic, payload));
  };
  const end = new AbortController();
  const running = agent.run(end.signal);
  running.catch(() => {});
  stop = async () => {
    end.abort();
    await running;
  };
  const session = { key: {} as ProviderKey, certificate: new Uint8Array(), chain: [], generation: 1 };
  return { agent, asked, world, timer, session, disk, running };
}

function headTopic(world: RevocationWorld, envelope: Uint8Array): [Topic, Uint8Array] {
  return [parseTopic(formatTopic({ type: "head", issuer: world.issuer.id })) as Topic, envelope];
}
