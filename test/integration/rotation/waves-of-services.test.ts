import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { serveLocalSocket } from "../../../agent/src/adapters/local-socket.ts";
import { answerLocal } from "../../../agent/src/cli/answer-local.ts";
import { type HostService, startNginxService } from "../../../scripts/demo/host-service.ts";
import { servedSha256 } from "../../../scripts/demo/steady-load.ts";
import { runAgentCommand } from "../../support/agent/agent-command.ts";
import { type RealAgent, RealAgents } from "../../support/agent/real-agents.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { nginxPart } from "../../support/programs/nginx.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 90_000 });

const ids = ["edge-1", "edge-2", "edge-3"] as const;
type Id = (typeof ids)[number];

const eventually = (check: () => void | Promise<void>): Promise<void> =>
  vi.waitFor(check, { timeout: 60_000, interval: 100 });

describeWith([nginxPart], "waves over the certificates of nginx on three devices", () => {
  let directory: string;
  let controller: RealController;
  let fleet: RealAgents;
  const services = new Map<Id, HostService>();
  const agents = new Map<Id, RealAgent>();

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "fc-waves-"));
    for (const id of ids) services.set(id, await startNginxService(join(directory, id), "web"));
    controller = await realController({ settings: { graceAfterProof: "200ms", renewalWindow: "1s" }, profiles });
    const settingsOf = (id: string) => ({ slots: [serviceOf(id as Id).slot] });
    fleet = await RealAgents.open({ settingsOf });
    for (const id of ids) agents.set(id, await fleet.start(id, controller.endpoints, await controller.claim()));
    for (const id of ids) await eventually(() => expect(slotOf(id)).toMatchObject(settledAt(1)));
  });
  afterAll(async () => {
    await fleet?.close();
    await controller?.close();
    for (const service of services.values()) await service.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const serviceOf = (id: Id): HostService => services.get(id) as HostService;
  const agentOf = (id: Id): RealAgent => agents.get(id) as RealAgent;
  const slotOf = (id: Id) =>
    agentOf(id)
      .status()
      .slots.find(({ slot }) => slot === "web");
  const settledAt = (generation: number) => ({ journal: "idle", certificate: { generation } });
  const served = (id: Id) => servedSha256(serviceOf(id).port);
  const shown = (id: Id) => controller.running.operations.devices.show(administrator, id);
  const rotations = () => controller.running.operations.rotations;
  const plan = () =>
    rotations().plan(administrator, { filter: "state=active", slot: "web", percents: [30, 100], soak: 0 });
  const devicesOf = async (id: string) => (await controller.running.duties.rollouts.show(id)).devices;
  const untilOver = (id: string, state: string) =>
    eventually(async () => {
      await controller.running.duties.rollouts.step();
      expect(await rotations().show(administrator, id)).toMatchObject({ state });
    });

  it("end at a canary whose service does not take its certificate: nobody else is touched, and it serves the one before (I13)", async () => {
    const { id } = await plan();
    const canary = (await devicesOf(id)).find(({ wave }) => wave === 0)?.device as Id;
    const others = ids.filter((one) => one !== canary);
    const before = new Map(await Promise.all(ids.map(async (one) => [one, await served(one)] as const)));
    await serviceOf(canary).breakReload(true);
    await rotations().start(administrator, id);
    await untilOver(id, "rolled-back");

    const ended = await rotations().show(administrator, id);
    expect(ended.stateReason).toContain(`${canary}: it reports hook-failed`);
    expect(ended.waves.map(({ states }) => states)).toMatchObject([{ failed: 1 }, { waiting: 2, asked: 0, proven: 0 }]);
    for (const one of others) {
      expect((await shown(one)).certificates.filter(({ slot }) => slot === "web")).toHaveLength(1);
      expect(slotOf(one)).toMatchObject(settledAt(1));
    }
    for (const one of ids) expect(await served(one)).toBe(before.get(one));
    const { slots } = await shown(canary);
    expect(slots.find(({ slot }) => slot === "web")).toMatchObject({
      ...{ generation: 1, state: "proven", provenVia: "service", keyStore: "software", waiting: { generation: 2 } },
      ...{ rollbackCause: expect.stringMatching(/^reload: hook-failed/), rollbackAt: expect.any(Number) },
    });
    expect(slots.find(({ slot }) => slot === "identity")).toMatchObject({ provenVia: "session", rollbacks: 0 });

    // What the device was asked for is taken back; what it has begun it finishes once its service lets it.
    const wish = await controller.running.duties.store.transaction((tx) => tx.wishes.find(canary, "web"));
    expect(wish).toBeUndefined();
    await serviceOf(canary).breakReload(false);
    await eventually(() => expect(slotOf(canary)).toMatchObject(settledAt(2)));
  });

  it("go through all devices when every service takes its certificate", async () => {
    const generations = new Map(ids.map((one) => [one, slotOf(one)?.certificate?.generation ?? 0]));
    const { id } = await plan();
    await rotations().start(administrator, id);
    await untilOver(id, "completed");
    for (const one of ids) {
      await eventually(() => expect(slotOf(one)).toMatchObject(settledAt((generations.get(one) ?? 0) + 1)));
      expect(await served(one)).toBe(slotOf(one)?.certificate?.sha256);
      expect((await shown(one)).certificate?.generation).toBe(1);
    }
  });

  it("leave the single device to the person in front of it: renew --slot, with what comes of it", async () => {
    const data = join(directory, "at-hand");
    await mkdir(data);
    const socket = await serveLocalSocket(join(data, "agent.sock"), (method, path, body) =>
      answerLocal(agentOf("edge-1"), { method, path, body, signal: new AbortController().signal }),
    );
    const generation = (slotOf("edge-1")?.certificate?.generation ?? 0) + 1;
    try {
      const unknown = await atHand(data, "renew", "--slot", "mail");
      expect(unknown).toMatchObject({ code: 5, stderr: expect.stringContaining("it has identity, web;") });
      const dry = await atHand(data, "renew", "--slot", "web", "--dry-run", "--json");
      expect(JSON.parse(dry.stdout)).toEqual({ accepted: false, slot: "web", generation });
      expect(slotOf("edge-1")).toMatchObject(settledAt(generation - 1));
      const done = await atHand(data, "renew", "--slot", "web", "--wait", "--timeout", "60s");
      expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining(`web generation ${generation} proven`) });
      expect(done.stderr).toMatch(/web: \w+ generation/);
      expect(await served("edge-1")).toBe(slotOf("edge-1")?.certificate?.sha256);

      await eventually(() => expect(slotOf("edge-1")).toMatchObject(settledAt(generation)));
      await serviceOf("edge-1").breakReload(true);
      const failed = await atHand(data, "renew", "--slot", "web", "--wait", "--timeout", "60s");
      expect(failed).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("went back to its certificate of before"),
      });
      await serviceOf("edge-1").breakReload(false);
    } finally {
      await socket.close();
    }
  });
});

/** A command of `fleetcert-agent` for the agent that listens in a data directory. */
const atHand = (data: string, ...args: string[]) => runAgentCommand(data, args);

const profiles = `profiles:
  device:
    slots: { web: web }
  web:
    extendedKeyUsage: [serverAuth]
    alternativeNames: [localhost]
`;
