import { Serial } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type RealAgent, RealAgents } from "../../support/agent/real-agents.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { softHsmPart, startSoftHsm } from "../../support/keys/softhsm.ts";
import { tlsAddonPart } from "../../support/keys/tls-addon.ts";
import { makeAgentToken } from "../../support/keys/tokens-of-agent.ts";
import { mosquittoPart } from "../../support/programs/mosquitto.ts";
import { type OnlyMosquitto, onlyMosquitto } from "../../support/programs/only-mosquitto.ts";
import { describeWith } from "../../support/programs/optional-part.ts";
import { commandsOf, execute } from "../../support/programs/runbook.ts";

const ids = ["press-1", "press-2", "press-3", "press-4", "press-5", "press-6"];

describeWith([mosquittoPart, softHsmPart, tlsAddonPart], "a fleet whose only broker is a Mosquitto", () => {
  let mosquitto: OnlyMosquitto;
  let controller: RealController;
  let fleet: RealAgents;
  let agents: RealAgent[] = [];
  const keys = new Map<string, Readonly<Record<string, string>>>();

  beforeAll(async () => {
    mosquitto = await onlyMosquitto({ lookEvery: "1s", group: "controllers" });
    const prepare = async (data: string) => {
      await mosquitto.prepare(data);
      await mosquitto.start();
    };
    const settings = { ...mosquitto.settings, graceAfterProof: "200ms", renewalWindow: "1s" };
    [controller, fleet] = await Promise.all([
      realController({ prepare, settings }),
      RealAgents.open({ keysOf: (id) => keys.get(id) ?? {} }),
    ]);
    const hsm = startSoftHsm();
    for (const id of ids) keys.set(id, (await makeAgentToken(hsm, id, fleet.directory)).keys.settings);
  }, 120_000);
  afterAll(async () => {
    await fleet?.close();
    await controller?.close();
    await mosquitto?.stop();
  });

  it("enrols over our bootstrap listener, and talks over Mosquitto only", async () => {
    const claim = await controller.claim({ maxUses: ids.length });
    expect(controller.endpoints.operational.port).toBe(mosquitto.port);
    agents = await Promise.all(ids.map((id) => fleet.start(id, controller.endpoints, claim)));
    await settled(1);
    await eventually(async () => expect(await online()).toEqual(ids));
    await eventually(async () => {
      for (const id of ids) {
        const { report } = await controller.running.operations.devices.show(administrator, id);
        expect(JSON.parse(report ?? "{}")).toMatchObject({ slots: [{ slot: "identity" }] });
      }
    });
  }, 120_000);

  it("is what its page says: the commands after the first succeed too", async () => {
    const [, ...others] = await commandsOf("../external-broker");
    expect(others.length).toBeGreaterThan(0);
    for (const command of others) expect(await execute(command, { DATA: controller.data })).toMatchObject({ code: 0 });
  });

  it("rotates with proof in use: the proving session takes over the client id", async () => {
    await controller.running.operations.rotations.request(administrator, { devices: ids });
    await settled(2);
    const proven = (await entries("certificate.proven")).filter(({ details }) => details["generation"] === "2");
    expect(proven.map(({ target }) => target).sort()).toEqual(ids);
    expect(new Set(proven.map(({ details }) => details["via"]))).toEqual(new Set(["external-broker"]));
  }, 120_000);

  it("drops and refuses a revoked device, and all others prove that they know", async () => {
    const victim = agent("press-1");
    const certificate = victim.status().slots[0]?.certificate;
    const startedAt = performance.now();
    const cpuBefore = process.cpuUsage();
    const { epoch } = await controller.running.operations.revocations.revoke(administrator, {
      device: "press-1",
      reason: "keyCompromise",
    });
    const inForce = Math.round(performance.now() - startedAt);
    const { user, system } = process.cpuUsage(cpuBefore);
    await eventually(() => expect(victim.status().connection?.state).not.toBe("connected"));
    await eventually(() => expect(victim.status().turnedAway?.code).toMatch(/^(device-suspended|credential-revoked)$/));
    await eventually(async () => {
      const status = await controller.running.operations.revocations.status(administrator, { epoch });
      expect(status).toMatchObject({ expected: ids.length - 1, acknowledged: ids.length - 1 });
    });
    process.stderr.write(
      `    list in force and session ended ${inForce} ms after the request, all proven after ${Math.round(performance.now() - startedAt)} ms\n`,
    );
    for (const other of agents.slice(1)) {
      expect(other.status().connection?.state).toBe("connected");
      const serial = Serial.parse(certificate?.serial ?? "");
      expect(other.revocation.isRevoked(controller.running.issuerId, serial).status).toBe("revoked");
    }
    expect(await online()).toEqual(ids.slice(1));
    // Blocked is what it is when the list is in force, not when the store knows.
    const { blockedAtBroker } = await controller.running.operations.revocations.status(administrator, { epoch });
    expect(blockedAtBroker).toBeGreaterThan(0);
    // The clock on the wall counts what other programs of this machine do too.
    expect((user + system) / 1000).toBeLessThan(1000);
  }, 60_000);

  async function settled(generation: number, among: readonly RealAgent[] = agents): Promise<void> {
    await eventually(() => {
      const seen = among.map(({ id, status }) => {
        const { slots, connection } = status();
        return [id, slots[0]?.journal, slots[0]?.certificate?.generation, connection?.state];
      });
      expect(seen).toEqual(among.map(({ id }) => [id, "idle", generation, "connected"]));
    });
  }

  const agent = (id: string): RealAgent => agents.find((one) => one.id === id) as RealAgent;

  async function online(): Promise<string[]> {
    const { items } = await controller.running.operations.devices.list(administrator, {});
    return items.filter(({ connected }) => connected).map(({ id }) => id);
  }

  async function entries(action: string) {
    const all = await controller.running.operations.audit.list(administrator, {});
    return all
      .filter((entry) => entry.action === action)
      .map(({ target, details }) => ({ target, details: JSON.parse(details) as Record<string, string> }));
  }
});

const eventually = (check: () => void | Promise<void>): Promise<void> =>
  vi.waitFor(check, { timeout: 60_000, interval: 50 });
