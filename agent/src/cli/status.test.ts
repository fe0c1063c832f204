import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runAgentCommand } from "../../../test/support/agent/agent-command.ts";
import { testNow } from "../../../test/support/pki/fleet-trust.ts";
import { serveLocalSocket } from "../adapters/local-socket.ts";
import type { StatusView } from "./status-view.ts";

const day = 86_400_000;
let data: string;
let server: { close(): Promise<void> } | undefined;
const asked: string[] = [];

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "fleetcert-status-"));
  asked.length = 0;
});
afterEach(async () => {
  await server?.close();
  await rm(data, { recursive: true, force: true });
});

const aStatus = (changes: Partial<StatusView> = {}): StatusView => ({
  isRunning: true,
  device: "pump-1",
  fleet: "plant-7",
  controller: "controller.test:8883",
  connection: { state: "connected", lastError: "" },
  slots: [
    {
      slot: "identity",
      journal: "idle",
      generation: 2,
      certificate: {
        generation: 2,
        serial: "0a",
        sha256: "ab",
        notBefore: testNow - day,
        notAfter: testNow + 89 * day,
        age: day,
        key: "software:k2",
      },
      keys: [{ id: "k2", ref: "software:k2", role: "current" }],
      renewAt: testNow + 59 * day,
      attempts: 0,
      lastError: "",
      lastReason: "",
      rollbacks: 0,
      rollbackCause: "",
      rollbackAt: 0,
    },
  ],
  protection: "token",
  time: { at: testNow, status: "anchored", floor: testNow },
  trust: { era: 1, version: 3, expires: testNow + 300 * day },
  suspended: "",
  turnedAway: undefined,
  revocation: [{ issuer: "cd".repeat(32), era: 1, epoch: 7, isStale: false }],
  outbox: 0,
  ...changes,
});

async function run(status: StatusView, ...args: string[]) {
  server = await serveLocalSocket(join(data, "agent.sock"), async (method, path) => {
    asked.push(`${method} ${path}`);
    return status;
  });
  const outcome = await runAgentCommand(data, args);
  expect(outcome.stderr).toBe("");
  return outcome;
}

describe("the status of a running agent", () => {
  it("is asked of the agent and told to a person", async () => {
    const { code, stdout } = await run(aStatus(), "status");
    expect(code).toBe(0);
    expect(asked).toEqual(["GET /v1/status"]);
    expect(stdout).toContain("pump-1 in fleet plant-7");
    expect(stdout).toContain("running, connected");
    expect(stdout).toContain("generation 2, serial 0a, 1d old");
    expect(stdout).toContain("(in 89d)");
    expect(stdout).toContain("epoch 7");
    expect(stdout).not.toContain("suspended");
  });

  it("says what is wrong, where it is wrong", async () => {
    const [slot] = aStatus().slots;
    const waiting = {
      ...slot,
      journal: "requested",
      generation: 3,
      attempts: 4,
      lastError: "offline",
      lastReason: "no route",
    };
    const connection = { state: "connecting", lastError: "denied" } as const;
    const slots = [waiting as StatusView["slots"][number]];
    const { stdout } = await run(aStatus({ slots, connection, suspended: "clone suspected" }), "status");
    expect(stdout).toContain("connecting after denied");
    expect(stdout).toContain("requested generation 3, failed 4×: no route (offline)");
    expect(stdout).toMatch(/suspended +clone suspected/);
  });

  it("says why the controller turns the device away, since when, and what to do", async () => {
    const turnedAway = {
      code: "device-suspended",
      message: "device pump-1 is suspended (stolen)",
      hint: "fleetcert device reinstate pump-1",
      since: testNow,
    };
    const { stdout } = await run(aStatus({ turnedAway }), "status");
    expect(stdout).toMatch(/turned away +device pump-1 is suspended \(stolen\) \(device-suspended, since /);
    expect(stdout).toContain("fleetcert device reinstate pump-1");
  });

  it("is whole for a program", async () => {
    expect(JSON.parse((await run(aStatus(), "status", "-o", "json")).stdout)).toEqual(aStatus());
  });

  it("cannot move the terminal of who reads it", async () => {
    const { stdout } = await run(aStatus({ suspended: "\u001b[2Jgone\nforged  line" }), "status");
    expect(stdout).toContain("\\u001b[2Jgone\\u000aforged");
  });

  it("is not asked when a renewal is", async () => {
    await run(aStatus(), "renew");
    expect(asked).toEqual(["POST /v1/renew?slot=identity"]);
  });
});
