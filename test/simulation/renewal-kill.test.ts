import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { formatClaimString, Secret } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { askLocalSocket } from "../../agent/src/adapters/local-socket.ts";
import { systemClock } from "../../agent/src/adapters/system.ts";
import type { StatusView } from "../../agent/src/cli/status-view.ts";
import { type FailpointName, failpoints } from "../../agent/src/failpoints.ts";
import { type ServedController, serveController } from "../support/controller/served-controller.ts";
import { testFleet } from "../support/pki/fleet-trust.ts";
import { endPrograms, type Program, startProgram } from "../support/programs/processes.ts";

let served: ServedController;
let directory: string;

beforeAll(async () => {
  served = await serveController(systemClock);
  directory = await mkdtemp(join(tmpdir(), "fleetcert-kill-"));
  const claim = { claimId: "claim0001", secret: Secret.of("c2VjcmV0LXNlY3JldC1zZWNyZXQ"), fleet: testFleet };
  const rootSha256 = served.controller.root.certificate.sha256;
  await writeFile(join(directory, "claim"), formatClaimString({ ...claim, rootSha256 }), { mode: 0o600 });
});

afterAll(async () => {
  await endPrograms();
  await served?.close();
  await rm(directory, { recursive: true, force: true });
});

/** Every point with a real controller and a token is the matter of test/scenarios; here one of each kind, without either. */
const points: readonly FailpointName[] =
  process.env["FLEETCERT_LONG"] === "1"
    ? failpoints
    : ["renewal.after-generate", "renewal.issued", "renewal.after-prove", "renewal.oldRetired"];
/** The first generation has no old credential to retire. */
const withoutOld: readonly FailpointName[] = ["renewal.confirmed", "renewal.oldRetired", "renewal.after-destroy"];

describe("an agent killed between any two journal states", () => {
  it.concurrent.each(points.filter((name) => !withoutOld.includes(name)))(
    "enrols after it was killed at %s",
    async (failpoint) => {
      const device = `enrol-${failpoint.replaceAll(".", "-").toLowerCase()}`;
      const killed = await enrol(device, { FLEETCERT_FAILPOINT: failpoint });
      expect(killed.end).toBe("SIGKILL");
      const again = await enrol(device);
      expect([again.end, again.stderr()]).toEqual([0, ""]);
      await expectSettled(device, JSON.parse(again.stdout()) as StatusView, 1);
    },
  );

  it.concurrent.each(points)("rotates after it was killed at %s", async (failpoint) => {
    const device = `rotate-${failpoint.replaceAll(".", "-").toLowerCase()}`;
    expect((await enrol(device)).end).toBe(0);
    const now = Date.now();
    await served.controller.desireGeneration(device, 2, { windowStart: now - 1000, windowEnd: now });
    expect(await run(device, { FLEETCERT_FAILPOINT: failpoint }).ended).toBe("SIGKILL");
    const agent = run(device);
    const died = agent.ended.then(() => expect.fail(agent.stderr()));
    const isSettled = ({ slots }: StatusView) => slots[0]?.journal === "idle" && slots[0].generation === 2;
    const status = await Promise.race([died, untilStatus(device, isSettled)]);
    died.catch(() => undefined);
    await agent.stop();
    expect(agent.end).toBe(0);
    await expectSettled(device, status, 2);
  });
});

/** Runs `enrol` to its end. */
async function enrol(device: string, env: Readonly<Record<string, string>> = {}): Promise<Program> {
  const { operational, bootstrap } = served.ports;
  const address = ["--controller", `localhost:${operational}`, "--bootstrap-port", `${bootstrap}`];
  const who = ["--device-id", device, "--claim-file", join(directory, "claim"), "--data", join(directory, device)];
  const program = startProgram("agent/src/main.ts", ["enrol", ...address, ...who, "--json", "--timeout", "60s"], env);
  await program.ended;
  return program;
}

function run(device: string, env: Readonly<Record<string, string>> = {}) {
  return startProgram("agent/src/main.ts", ["run", "--data", join(directory, device)], env);
}

async function untilStatus(device: string, isSo: (status: StatusView) => boolean): Promise<StatusView> {
  for (;;) {
    const answer = await askLocalSocket(join(directory, device, "agent.sock"), "GET", "/v1/status");
    if (answer !== undefined && isSo(answer as StatusView)) return answer as StatusView;
    await sleep(50);
  }
}

/** I1, I4, I5, I11 from outside: one key, one certificate for each generation, each proven, the last one in use. */
async function expectSettled(device: string, status: StatusView, generation: number): Promise<void> {
  const certificate = status.slots[0]?.certificate;
  expect(certificate?.generation).toBe(generation);
  const keys = await readdir(join(directory, device, "keys"));
  expect(keys.filter((name) => certificate?.key.endsWith(name.split(".")[0] ?? "") === true)).toHaveLength(1);
  expect(keys).toHaveLength(1);
  expect(served.controller.issuedTo(device)).toHaveLength(generation);
  expect(served.controller.issuedTo(device).every((sha256) => served.controller.proven.includes(sha256))).toBe(true);
  expect(served.controller.errors).toEqual([]);
}
