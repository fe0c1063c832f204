import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { failpoints } from "@fleetcert/controller";
import { Serial } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { askLocalSocket } from "../../agent/src/adapters/local-socket.ts";
import { endPrograms, type Program, untilSeen } from "../support/programs/processes.ts";
import {
  type AgentPlace,
  askAgent,
  placeAgent,
  startAgentRun,
  untilSettled,
} from "../support/scenarios/scenario-agent.ts";
import {
  administrator,
  type ControllerPlace,
  copyController,
  makeController,
  type ServingController,
  serve,
  startServe,
  whenServing,
} from "../support/scenarios/scenario-controller.ts";
import { certificatesOf, latestEpoch, storeFaults } from "../support/scenarios/scenario-store.ts";
import { type Act, actsOf, playUntilKilled } from "../support/scenarios/scenario-work.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });
const isLong = process.env["FLEETCERT_LONG"] === "1";
/** The n-th passing of a failpoint in a controller that has served before: an enrolment, a rotation, a revocation, more. */
const passings = isLong ? [1, 2, 3, 4, 5] : [1, 2];
const spares = ["spare-1", "spare-2"] as const;
let directory: string;
/** A controller that never served, and one that did and has two devices; each case takes a copy. */
let blank: ControllerPlace;
let settled: ControllerPlace;
let claimFile: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "fc-01-"));
  blank = await makeController(join(directory, "blank"));
  settled = await copyController(blank, join(directory, "settled"));
  claimFile = join(directory, "claim");
  const { operations, program } = await serve(settled);
  const { claimString } = await operations.claims.create(administrator, { maxUses: 3, validFor: 3_600_000 });
  await writeFile(claimFile, claimString, { mode: 0o600 });
  for (const device of spares) {
    const agent = await placeAgent({ data: join(directory, device), device, controller: settled, claimFile });
    const running = startAgentRun(agent);
    await untilSettled(agent, running, 1);
    await running.stop();
  }
  await program.stop();
});

afterAll(async () => {
  await endPrograms();
  await rm(directory, { recursive: true, force: true });
});

describe("a controller killed while a device enrols, rotates and others are revoked", () => {
  it.concurrent.each(failpoints.flatMap((name) => passings.map((count) => ({ name, count }))))(
    "goes on after a kill at passing $count of $name (I2, I4, I5, I9, I10, I12)",
    async ({ name, count }) => {
      const scene = await stage(`${name}-${count}`);
      const program = startServe(scene.controller, { failpoint: `${name}:${count}` });
      const done = await playOn(scene, program);
      const isCertain = count <= 2;
      if (isCertain) expect(program.end, `${name} was never passed ${count} times: ${done.join(", ")}`).toBe("SIGKILL");
      await program.stop();
      await expectRecovery(scene, done);
    },
  );

  it.concurrent.each(isLong ? Array.from({ length: 20 }, (_, index) => index) : [0, 1])(
    "goes on after a kill at any moment (%i)",
    async (index) => {
      const scene = await stage(`any-${index}`);
      const program = startServe(scene.controller);
      const killed = sleep(600 + Math.random() * 5000).then(() => program.kill());
      const done = await playOn(scene, program);
      await killed;
      await expectRecovery(scene, done);
    },
  );

  it.concurrent.each(failpoints)("starts for the first time after a kill at %s in its first start", async (name) => {
    const controller = await copyController(blank, join(directory, `first-${name}`));
    const program = startServe(controller, { failpoint: name });
    const epochBefore = await whenServing(controller, program)
      .then(() => program.kill())
      .then(() => latestEpoch(controller.data));
    const again = await serve(controller);
    expect(await again.operations.audit.verify(administrator)).toMatchObject({ ok: true });
    await again.program.stop();
    expect(await storeFaults(controller.data)).toEqual([]);
    expect(latestEpoch(controller.data)).toBeGreaterThanOrEqual(Math.max(1, epochBefore));
  });
});

interface Scene {
  readonly controller: ControllerPlace;
  readonly agent: AgentPlace;
  readonly acts: readonly Act[];
  /** The agent's process goes on through the controller's death. */
  readonly running: Program;
}

async function stage(name: string): Promise<Scene> {
  const controller = await copyController(settled, join(directory, name));
  const device = "edge-1";
  const agent = await placeAgent({ data: join(directory, `${name}-agent`), device, controller, claimFile });
  return { controller, agent, acts: actsOf(agent, spares), running: startAgentRun(agent) };
}

async function playOn({ controller, acts, running }: Scene, program: Program): Promise<string[]> {
  const serving = await whenServing(controller, program);
  return serving === undefined ? [] : await playUntilKilled(acts, { serving, agent: running });
}

/** Starts the controller again, finishes the work and judges what is left. */
async function expectRecovery(scene: Scene, done: readonly string[]): Promise<void> {
  const { controller, agent, acts, running } = scene;
  const epochBefore = latestEpoch(controller.data);
  const serving = await serve(controller);
  for (const act of acts.slice(done.length)) await act.play({ serving, agent: running });
  const status = await untilSettled(agent, running, 3);
  await expectAcknowledged(serving, agent);

  const shown = await serving.operations.devices.show(administrator, agent.device);
  const proven = shown.certificates.filter(({ state }) => state === "proven").map(({ sha256 }) => sha256);
  expect(proven).toEqual([status.slots[0]?.certificate?.sha256]);
  for (const device of spares) {
    expect(await serving.operations.devices.show(administrator, device)).toMatchObject({ state: "suspended" });
  }
  await running.stop();
  expect(running.end).toBe(0);
  await serving.program.stop();
  expect(await storeFaults(controller.data)).toEqual([]);
  expect(latestEpoch(controller.data)).toBeGreaterThanOrEqual(epochBefore);
  for (const device of spares) {
    expect(certificatesOf(controller.data, device).map(({ state }) => state)).toEqual(["revoked"]);
  }
}

/** The device has applied the newest list and acknowledged it, and says itself that the others are revoked. */
async function expectAcknowledged({ operations }: ServingController, agent: AgentPlace): Promise<void> {
  const epoch = Math.max(...(await operations.crls.list(administrator)).map((list) => list.epoch));
  const revoked = await operations.devices.show(administrator, spares[1]);
  const serial = Serial.parse(revoked.certificates[0]?.serial ?? "").hex;
  await untilSeen(
    async () => {
      const { epochs } = await operations.devices.show(administrator, agent.device);
      return Object.values(epochs).some((acknowledged) => acknowledged >= epoch) ? true : undefined;
    },
    { within: 20_000, complain: async () => `epoch ${epoch}, and ${JSON.stringify(await askAgent(agent))}` },
  );
  const answers = await askLocalSocket(join(agent.data, "agent.sock"), "GET", `/v1/revocation/${serial}`);
  expect(answers).toMatchObject([{ status: "revoked" }]);
}
