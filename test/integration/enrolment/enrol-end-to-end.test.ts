import { Serial } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RealAgent, RealAgents } from "../../support/agent/real-agents.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { eventually } from "../../support/eventually.ts";

const ids = ["edge-1", "edge-2", "edge-3", "edge-4", "edge-5"];
let controller: RealController;
let fleet: RealAgents;
let agents: RealAgent[] = [];

beforeAll(async () => {
  [controller, fleet] = await Promise.all([
    realController({ settings: { graceAfterProof: "200ms", renewalWindow: "1s" } }),
    RealAgents.open(),
  ]);
});
afterAll(async () => {
  await fleet.close();
  await controller.close();
});

const slotOf = (agent: RealAgent) => agent.status().slots[0];

function expectSettled(generation: number, among: readonly RealAgent[] = agents): void {
  const seen = among.map((agent) => [
    agent.id,
    slotOf(agent)?.journal,
    slotOf(agent)?.certificate?.generation ?? slotOf(agent)?.lastReason,
  ]);
  expect(seen).toEqual(among.map(({ id }) => [id, "idle", generation]));
}

const connected = (): Promise<string[]> =>
  controller.running.operations.devices
    .list(administrator, {})
    .then(({ items }) => items.filter((device) => device.connected).map(({ id }) => id));

describe("a fleet of agents and their controller over real sockets", () => {
  it("enrols by one claim, each with a key of its own", async () => {
    const claim = await controller.claim({ maxUses: ids.length, attributes: { site: "berlin" } });
    agents = await Promise.all(ids.map((id) => fleet.start(id, controller.endpoints, claim)));
    await eventually(() => expectSettled(1));
    await eventually(async () => expect(await connected()).toEqual(ids));
    const { items } = await controller.running.operations.certificates.list(administrator, {});
    const own = items.filter(({ slot }) => slot === "identity");
    expect(own.map(({ device, state }) => [device, state]).sort()).toEqual(ids.map((id) => [id, "proven"]));
    const left = await fleet.start("edge-6", controller.endpoints, claim);
    await eventually(() => expect(slotOf(left)).toMatchObject({ certificate: undefined, lastError: "claim-invalid" }));
    await left.stop();
  });

  it("reports what each device is", async () => {
    await eventually(async () => {
      for (const id of ids) {
        const { report } = await controller.running.operations.devices.show(administrator, id);
        const { slots } = JSON.parse(report ?? "{}") as { readonly slots?: readonly unknown[] };
        expect(slots).toMatchObject([{ slot: "identity", generation: 1, journal: "idle", protection: "software" }]);
      }
    });
  });

  it("rotates when it is asked to", async () => {
    const { requested } = await controller.running.operations.rotations.request(administrator, { devices: ids });
    expect(requested).toBe(ids.length);
    await eventually(() => expectSettled(2));
  });

  it("rotates while the controller is started again, and agents with it", async () => {
    const { rotations } = controller.running.operations;
    await rotations.request(administrator, { devices: ids });
    await controller.restart();
    agents = await Promise.all(agents.map((agent, at) => (at % 2 === 0 ? agent.restarted() : agent)));
    await eventually(() => expectSettled(3));
    await eventually(async () => expect(await connected()).toEqual(ids));
    const shown = await Promise.all(ids.map((id) => controller.running.operations.devices.show(administrator, id)));
    // I5: at most two certificates of a slot are neither expired nor revoked.
    for (const { certificates } of shown) {
      expect(certificates.filter(({ revokedAt }) => revokedAt === undefined).length).toBeLessThanOrEqual(2);
    }
  });

  it("loses a revoked device at once; every other one enforces the new list and says so", async () => {
    const [bad, ...others] = agents;
    const serial = slotOf(bad as RealAgent)?.certificate?.serial ?? "";
    const { operations, issuerId } = controller.running;
    const { epoch } = await operations.revocations.revoke(administrator, { device: "edge-1", reason: "keyCompromise" });
    await eventually(async () => expect(await connected()).toEqual(ids.slice(1)));
    await eventually(async () => {
      const status = await operations.revocations.status(administrator, { epoch });
      expect(status).toMatchObject({ expected: 4, acknowledged: 4, waiting: [] });
    });
    for (const agent of others) {
      expect(agent.revocation.isRevoked(issuerId, Serial.parse(serial)).status).toBe("revoked");
    }
    expect(slotOf(bad as RealAgent)?.certificate?.generation).toBe(3);
    expect(bad?.status().connection).not.toMatchObject({ state: "connected" });
  });

  it("goes on without the revoked one, which gets nothing, and the audit verifies", async () => {
    const [bad, ...others] = agents;
    const { operations } = controller.running;
    await operations.rotations.request(administrator, { devices: ids.slice(1) });
    bad?.renew();
    await eventually(() => expectSettled(4, others));
    const { certificates } = await operations.devices.show(administrator, "edge-1");
    expect(Math.max(...certificates.map(({ generation }) => generation))).toBe(3);
    expect(await operations.audit.verify(administrator)).toMatchObject({ ok: true, firstBad: undefined });
  });

  it("keeps what was revoked revoked when a person re-approves the device", async () => {
    const { operations } = controller.running;
    await operations.devices.reinstate(administrator, "edge-1");
    const { certificates } = await operations.devices.show(administrator, "edge-1");
    expect(new Set(certificates.map(({ revokedAt }) => revokedAt !== undefined))).toEqual(new Set([true]));
    expect(await connected()).toEqual(ids.slice(1));
  });
});
