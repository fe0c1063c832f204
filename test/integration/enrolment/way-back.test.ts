import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StatusView } from "@fleetcert/agent";
import { formatClaimString, parseClaimString, Secret, sha256Hex } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RealAgent, RealAgents } from "../../support/agent/real-agents.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { eventually } from "../../support/eventually.ts";
import { startProgram } from "../../support/programs/processes.ts";

let controller: RealController;
let fleet: RealAgents;

beforeAll(async () => {
  [controller, fleet] = await Promise.all([
    realController({ settings: { graceAfterProof: "200ms", bounds: { revokeAlone: 100, reinstateAlone: 100 } } }),
    RealAgents.open(),
  ]);
});
afterAll(async () => {
  await fleet.close();
  await controller.close();
});

const slotOf = (agent: RealAgent) => agent.status().slots[0];

async function enrolled(id: string): Promise<RealAgent> {
  const agent = await fleet.start(id, controller.endpoints, await controller.claim());
  await eventually(() => expect(slotOf(agent)).toMatchObject({ journal: "idle", certificate: { generation: 1 } }));
  await eventually(() => expect(agent.status().connection?.state).toBe("connected"));
  return agent;
}

const reasons = (agent: RealAgent) =>
  agent.log.lines.filter(({ event }) => event === "turned away by the controller").map(({ fields }) => fields["code"]);

/** The person's act; the claim string as the device gets it. */
async function permit(id: string): Promise<{ readonly claimString: string; readonly generation: number }> {
  return await controller.running.operations.devices.reenrol(administrator, id, 3_600_000);
}

const certificatesOf = async (id: string) =>
  (await controller.running.operations.devices.show(administrator, id)).certificates;

describe("a device that was away when the controller turned against it", () => {
  it("learns that it is retired: erases its key, says so once, and ends", async () => {
    const agent = await enrolled("away-1");
    await agent.stop();
    await controller.running.operations.devices.retire(administrator, "away-1");
    const again = await agent.restarted();
    await again.ended;
    expect(slotOf(again)).toMatchObject({ journal: "retired", certificate: undefined });
    expect(reasons(again)).toEqual(["device-retired"]);
    expect(again.log.lines.filter(({ event }) => event === "outbox waits")).toEqual([]);
    const third = await again.restarted();
    await third.ended;
    expect(third.log.lines.map(({ event }) => event)).toEqual(["retired: the keys are erased, nothing is left to do"]);
    await expect(permit("away-1")).rejects.toMatchObject({ code: "device-retired" });
  });

  it("shows why it is suspended, keeps its key, and comes back by itself when a person reinstates it", async () => {
    const agent = await enrolled("away-2");
    await agent.stop();
    const { devices } = controller.running.operations;
    await devices.suspend(administrator, "away-2", "stolen");
    const again = await agent.restarted();
    await eventually(() =>
      expect(again.status().turnedAway).toMatchObject({
        code: "device-suspended",
        message: "device away-2 is suspended (stolen)",
        hint: expect.stringContaining("fleetcert device reinstate away-2"),
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(reasons(again)).toEqual(["device-suspended"]);
    expect(slotOf(again)?.certificate?.generation).toBe(1);
    await devices.reinstate(administrator, "away-2");
    await eventually(() => expect(again.status().connection?.state).toBe("connected"));
    await eventually(() => expect(again.status().turnedAway).toBeUndefined());
  });
});

describe("a device that was revoked and re-approved", () => {
  it("comes back under its id by a person's permission, its old key kept until the new one is proven", async () => {
    const agent = await enrolled("back-1");
    const old = slotOf(agent)?.certificate;
    const { revocations, devices, audit } = controller.running.operations;
    await revocations.revoke(administrator, { device: "back-1", reason: "keyCompromise" });
    await expect(permit("back-1")).rejects.toMatchObject({ code: "device-suspended" });
    await devices.reinstate(administrator, "back-1");
    await eventually(() =>
      expect(agent.status().turnedAway).toMatchObject({
        code: "credential-revoked",
        hint: expect.stringContaining("fleetcert device reenrol back-1"),
      }),
    );
    expect(slotOf(agent)?.certificate?.sha256).toBe(old?.sha256);
    await agent.stop();
    const { claimString, generation } = await permit("back-1");
    expect(generation).toBe(2);
    const again = await fleet.start("back-1", controller.endpoints, claimString);
    await eventually(() => expect(slotOf(again)).toMatchObject({ journal: "idle", certificate: { generation: 2 } }));
    await eventually(() => expect(again.status().connection?.state).toBe("connected"));
    expect(again.status().turnedAway).toBeUndefined();
    const states = (await certificatesOf("back-1")).map((one) => [one.generation, one.state]);
    expect(states).toEqual([
      [2, "proven"],
      [1, "revoked"],
    ]);
    const events = (await audit.list(administrator, { limit: 1000 })).filter(({ target }) => target === "back-1");
    expect(events.map(({ action, actor }) => [action, actor])).toEqual(
      expect.arrayContaining([
        ["reenrolment.permitted", "local"],
        ["device.reenrolled", "device:back-1"],
      ]),
    );
    // The claim file is still there; a restart begins nothing anew.
    const third = await again.restarted();
    await eventually(() => expect(third.status().connection?.state).toBe("connected"));
    expect(slotOf(third)).toMatchObject({ journal: "idle", certificate: { generation: 2 } });
    third.renew();
    await eventually(() => expect(slotOf(third)?.certificate?.generation).toBe(3));
  });

  it("comes back on an empty disk, and no generation is used again", async () => {
    const agent = await enrolled("back-2");
    agent.renew();
    await eventually(() => expect(slotOf(agent)).toMatchObject({ journal: "idle", certificate: { generation: 2 } }));
    await agent.stop();
    await fleet.replaceDisk("back-2");
    const plain = await fleet.start("back-2", controller.endpoints, await controller.claim());
    await eventually(() => expect(slotOf(plain)?.lastError).toBe("device-exists"));
    await plain.stop();
    await fleet.replaceDisk("back-2");
    const { claimString, generation } = await permit("back-2");
    expect(generation).toBe(3);
    const again = await fleet.start("back-2", controller.endpoints, claimString);
    await eventually(() => expect(slotOf(again)).toMatchObject({ journal: "idle", certificate: { generation: 3 } }));
    const generations = (await certificatesOf("back-2")).map((one) => one.generation);
    expect(generations).toEqual([3, 2, 1]);
  });

  it("gets nothing by a permission that is spent, replaced, of another device, or older than a suspension (I7)", async () => {
    const [agent, other] = [await enrolled("back-3"), await enrolled("back-4")];
    await agent.stop();
    await other.stop();
    const first = await permit("back-3");
    const second = await permit("back-3");
    expect(parseClaimString(second.claimString).reenrolment).toEqual({ device: "back-3", generation: 2 });
    const replaced = await fleet.start("back-3", controller.endpoints, first.claimString);
    // An unknown or revoked claim opens no session at all; the device goes back to the credential it has.
    await eventually(() => expect(replaced.status().connection?.state).toBe("connected"));
    await eventually(() => expect(slotOf(replaced)).toMatchObject({ journal: "idle", certificate: { generation: 1 } }));
    await replaced.stop();
    const { devices } = controller.running.operations;
    await devices.suspend(administrator, "back-3", "late");
    await devices.reinstate(administrator, "back-3");
    const withdrawn = await fleet.start("back-3", controller.endpoints, second.claimString);
    await eventually(() => expect(slotOf(withdrawn)?.lastError).toBe("denied"));
    await eventually(() => expect(withdrawn.status().connection?.state).toBe("connected"));
    expect((await certificatesOf("back-3")).map((one) => one.generation)).toEqual([1]);
    // The right of one device does nothing for another, whatever is written into its claim.
    const stolen = parseClaimString((await permit("back-3")).claimString);
    const claim = formatClaimString({ ...stolen, reenrolment: { device: "back-4", generation: 2 } });
    const thief = await fleet.start("back-4", controller.endpoints, claim);
    await eventually(() => expect(slotOf(thief)?.lastError).toBe("device-exists"));
    await eventually(() => expect(slotOf(thief)).toMatchObject({ journal: "idle", certificate: { generation: 1 } }));
    expect((await certificatesOf("back-4")).map((one) => one.generation)).toEqual([1]);
  });
});

describe("fleetcert-agent enrol, with a person's permission", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "fleetcert-way-back-"));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  /** Runs the command with a claim until it ends. */
  async function run(data: string, claimString: string, ...more: string[]) {
    const file = join(directory, `claim-${sha256Hex(Buffer.from(claimString)).slice(0, 8)}`);
    await writeFile(file, `${claimString}\n`, { mode: 0o600 });
    const { operational, bootstrap } = controller.endpoints;
    const where = ["--controller", `127.0.0.1:${operational.port}`, "--bootstrap-port", String(bootstrap.port)];
    const args = ["enrol", "--data", join(directory, data), ...where, "--claim-file", file, "--json", ...more];
    const program = startProgram("agent/src/main.ts", args);
    return { program, end: await program.ended };
  }

  /** What the command printed, or the code it failed with. */
  async function enrol(...args: Parameters<typeof run>): Promise<unknown> {
    const { program, end } = await run(...args);
    if (end !== 0) return (JSON.parse(program.stderr()) as { readonly error: { readonly code: string } }).error.code;
    const { device, slots } = JSON.parse(program.stdout()) as StatusView;
    return { device, generation: slots[0]?.certificate?.generation };
  }

  it("knows the claim by itself, on a directory with an old identity and on an empty one", async () => {
    const first = await enrol("old", await controller.claim(), "--device-id", "cli-1");
    expect(first).toEqual({ device: "cli-1", generation: 1 });
    const { revocations, devices } = controller.running.operations;
    await revocations.revoke(administrator, { device: "cli-1", reason: "keyCompromise" });
    await devices.reinstate(administrator, "cli-1");
    const { claimString } = await permit("cli-1");
    expect(await enrol("old", claimString)).toEqual({ device: "cli-1", generation: 2 });
    expect(await enrol("old", claimString)).toEqual({ device: "cli-1", generation: 2 });
    // Its one use is gone: whoever finds the file gets nothing by it.
    expect(await enrol("finder", claimString)).toBe("claim-invalid");
    expect(await enrol("new", (await permit("cli-1")).claimString)).toEqual({ device: "cli-1", generation: 3 });
    expect(await enrol("other", (await permit("cli-1")).claimString, "--device-id", "cli-2")).toBe("config-invalid");
  }, 90_000);

  it("says what to do about a claim that the controller does not know", async () => {
    const known = parseClaimString(await controller.claim());
    const unknown = formatClaimString({ ...known, secret: Secret.of("A".repeat(43)) });
    const { program, end } = await run("stranger", unknown, "--device-id", "cli-3");
    expect(end).toBe(4);
    expect(JSON.parse(program.stderr())).toMatchObject({
      error: { code: "denied", hint: expect.stringContaining("fleetcert claim create") },
    });
  });
});
