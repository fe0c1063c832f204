import { type Body, encodeMessage, formatTopic, payloadTypes, signEnvelope, type Topic } from "@fleetcert/proto";
import type { Signer } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RealAgent, RealAgents } from "../../support/agent/real-agents.ts";
import {
  administrator,
  type RealController,
  realController,
  testFleetName,
} from "../../support/controller/real-controller.ts";
import { eventually } from "../../support/eventually.ts";
import { commandsOf, execute } from "../../support/programs/runbook.ts";

describe("the runbook for a stolen command key", () => {
  let controller: RealController;
  let fleet: RealAgents;
  let agents: RealAgent[];
  /** What the thief has: a copy of the key that signs messages. */
  let stolen: Signer;
  let made = 0;

  beforeAll(async () => {
    [controller, fleet] = await Promise.all([realController({ settings: { renewalWindow: "1s" } }), RealAgents.open()]);
    const claim = await controller.claim({ maxUses: 2 });
    agents = await Promise.all(["press-1", "press-2"].map((id) => fleet.start(id, controller.endpoints, claim)));
    await eventually(() => {
      for (const agent of agents) {
        const { slots, connection } = agent.status();
        expect([slots[0]?.certificate?.generation, connection?.state]).toEqual([1, "connected"]);
      }
    });
    stolen = controller.running.duties.trust.signerFor("messages", Date.now());
  }, 60_000);
  afterAll(async () => {
    await fleet?.close();
    await controller?.close();
  });

  it("is needed: a device does what the thief says in the controller's name", async () => {
    const [victim] = agents;
    await say("press-1", retire({ era: 1, version: 1_000_000 }));
    await eventually(() => expect(victim && journalOf(victim)).toBe("retired"));
  });

  it("ends that: its commands succeed, and nothing the thief signs is believed any more", async () => {
    const survivor = agents[1] as RealAgent;
    const [renew = "", ...others] = await commandsOf("stolen-command-key");
    const names = { DATA: controller.data };
    expect(await execute(renew, names)).toMatchObject({ code: 0, json: { era: 2 } });
    for (const command of others) expect(await execute(command, names), command).toMatchObject({ code: 0 });
    expect((await controller.running.operations.trust.show(administrator)).era).toBe(2);
    await eventually(async () => {
      const { report } = await controller.running.operations.devices.show(administrator, "press-2");
      expect(JSON.parse(report ?? "{}")).toMatchObject({ trustEra: 2 });
    });

    for (const [era, version] of [
      [1, 2_000_000],
      [2, 2_000_000],
      [3, 1],
    ] as const) {
      await say("press-2", retire({ era, version }));
    }
    // What is asked of it afterwards by the controller itself is done: it has seen everything before that.
    await controller.running.operations.rotations.request(administrator, { devices: ["press-2"] });
    await eventually(() => expect(survivor.status().slots[0]?.certificate?.generation).toBe(2));
    expect(journalOf(survivor)).not.toBe("retired");
    expect((await controller.running.operations.devices.show(administrator, "press-2")).state).toBe("active");
  }, 60_000);

  it("leaves revocation in force: epochs of the new era are applied and proven", async () => {
    const { operations } = controller.running;
    const { epoch } = await operations.revocations.revoke(administrator, {
      device: "press-1",
      reason: "keyCompromise",
    });
    await eventually(async () => {
      const status = await operations.revocations.status(administrator, { epoch });
      expect(status).toMatchObject({ expected: 1, acknowledged: 1 });
    });
  }, 60_000);

  /** Through the broker, as whoever holds it could; the topic is the device's own. */
  async function say(device: string, body: Body): Promise<void> {
    const now = Date.now();
    made += 1;
    const payload = encodeMessage({
      ...{ fleet: testFleetName, direction: "controller-to-device", sender: "controller", recipient: device },
      ...{ messageId: String(made).padStart(32, "0"), inReplyTo: undefined, sentAt: now, expiresAt: now + 300_000 },
      ...{ sequence: undefined, traceparent: undefined, body },
    });
    const envelope = await signEnvelope(payloadTypes.message, payload, stolen);
    const topic: Topic = { type: "desired", device };
    const { store, outbox } = controller.running.duties;
    await store.transaction((tx) => tx.outbox.enqueue({ topic: formatTopic(topic), payload: envelope, retain: false }));
    await outbox.drain();
  }
});

const retire = ({ era, version }: { readonly era: number; readonly version: number }): Body => ({
  ...{ type: "desired", era, version, slots: [], reportInterval: 60_000, retire: true, suspended: "", maintenance: [] },
});

const journalOf = (agent: RealAgent): string | undefined => agent.status().slots[0]?.journal;
