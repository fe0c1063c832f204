import { describe, expect, it } from "vitest";
import { anApiKey, anOperator, hex64 } from "../../../test/contracts/store-records.ts";
import {
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";

const hour = 3_600_000;
const reason = "keyCompromise";

describe("a plan above the bound", () => {
  it("changes nothing until a second person approves exactly its hash, and then only that", async () => {
    const controller = await aFleet(3, { bound: 2 });
    const selection = { filter: "site=berlin", reason };
    const { hash, aboveBound, impact } = await controller.revocation.plan("operator:alice", selection);
    expect({ aboveBound, devices: impact.devices, suspended: impact.lockedOut.devices }).toEqual({
      aboveBound: true,
      devices: 3,
      suspended: 3,
    });
    await expect(controller.revocation.revoke("operator:alice", selection)).rejects.toMatchObject({
      code: "second-person-required",
      hint: expect.stringContaining(hash),
    });
    expect(await active(controller)).toBe(3);
    const { plan, effect } = await controller.approval.approve("operator:bob", hash);
    expect(plan).toMatchObject({ state: "done", done: 3, decidedBy: "operator:bob", requester: "alice" });
    expect(effect).toMatchObject({ droppedSessions: 3, epoch: expect.any(Number) });
    expect(await active(controller)).toBe(0);
    await expect(controller.approval.approve("operator:bob", hash)).rejects.toMatchObject({ code: "conflict" });
  });

  it("is the same plan when asked for again in the same world, and another one after it ended", async () => {
    const controller = await aFleet(3, { bound: 1 });
    const first = await waiting(controller, "operator:alice");
    expect(await waiting(controller, "operator:alice")).toBe(first);
    expect(await waiting(controller, "operator:carol")).not.toBe(first);
    await controller.approval.reject("operator:bob", first, "not today");
    const second = await waiting(controller, "operator:alice");
    expect(second).not.toBe(first);
    expect(await controller.approval.list(9)).toHaveLength(3);
    await expect(controller.approval.approve("operator:bob", first)).rejects.toMatchObject({ code: "conflict" });
  });

  it("is not approved by the person who asked, whatever certificate or key is used, and the attempt is audited", async () => {
    const controller = await aFleet(2, { bound: 1 });
    await controller.store.transaction((tx) => tx.apiKeys.put(anApiKey({ operator: "alice", expiresAt: 9e12 })));
    const hash = await waiting(controller, "operator:alice");
    for (const actor of ["operator:alice", "operator:alice-2", `operator:alice#${anApiKey().id}`]) {
      await expect(controller.approval.approve(actor, hash)).rejects.toMatchObject({ code: "denied" });
    }
    const denied = await controller.store.transaction((tx) => tx.audit.list(1, 1000));
    expect(denied.filter(({ action, target }) => action === "access.denied" && target === hash)).toHaveLength(3);
    expect(await active(controller)).toBe(2);
  });

  it("is not approved by somebody whom the requester let in, nor by two whom the same administrator let in", async () => {
    const controller = await aFleet(2, { bound: 1 });
    await register(controller, { name: "puppet", createdBy: "operator:alice" });
    await register(controller, { name: "puppet-2", createdBy: "operator:puppet" });
    const own = await waiting(controller, "operator:alice");
    for (const actor of ["operator:puppet", "operator:puppet-2"]) {
      await expect(controller.approval.approve(actor, own)).rejects.toMatchObject({ code: "denied" });
    }
    const theirs = await waiting(controller, "operator:puppet");
    await expect(controller.approval.approve("operator:puppet-2", theirs)).rejects.toMatchObject({ code: "denied" });
    await expect(controller.approval.approve("operator:bob", theirs)).resolves.toBeDefined();
  });

  it("is not approved by the host's administrator who asked for it, but by an operator of this host", async () => {
    const controller = await aFleet(2, { bound: 1 });
    const hash = await waiting(controller, "local");
    await expect(controller.approval.approve("local", hash)).rejects.toMatchObject({ code: "denied" });
    await expect(controller.approval.approve("operator:bob", hash)).resolves.toBeDefined();
  });

  it("does nothing when the world has changed meanwhile, and says so", async () => {
    const changes: [string, (controller: TestController) => Promise<unknown>][] = [
      ["another device came", (controller) => enrolInBerlin(controller, "edge-9")],
      ["a device left", (controller) => controller.inventory.setAttributes("local", "edge-0", { site: "bonn" })],
      [
        "a device matters more",
        (controller) => controller.inventory.setAttributes("local", "edge-0", { criticality: "high" }),
      ],
      [
        "a device was revoked",
        (controller) => controller.revocation.revoke("operator:carol", { device: "edge-0", reason }),
      ],
      [
        "every device was retired",
        async (controller) => {
          await controller.revocation.retire("operator:carol", "edge-0");
          await controller.revocation.retire("operator:bob", "edge-1");
        },
      ],
    ];
    for (const [name, change] of changes) {
      const controller = await aFleet(2, { bound: 1 });
      const hash = await waiting(controller, "operator:alice");
      await change(controller);
      const before = await active(controller);
      await expect(controller.approval.approve("operator:bob", hash), name).rejects.toMatchObject({
        code: "plan-stale",
      });
      expect(await active(controller), name).toBe(before);
      expect((await controller.approval.find(hash)).state, name).toBe("stale");
    }
  });

  it("cannot be held up by a device that renews", async () => {
    const controller = await startTestController({ config: "bounds: {revokeAlone: 1}" });
    const device = await anEnrolledDevice(controller, "edge-0");
    await anEnrolledDevice(controller, "edge-1");
    const listed = { listed: { devices: ["edge-0", "edge-1"], serials: [] }, reason };
    const hash = await waiting(controller, "operator:alice", listed);
    await device.rotate();
    await controller.approval.approve("operator:bob", hash);
    const certificates = await controller.store.transaction((tx) => tx.certificates.listOf("edge-0"));
    expect(certificates.map(({ state }) => state)).toEqual(["revoked", "revoked"]);
  });

  it("ends when nobody approves it in time", async () => {
    const controller = await aFleet(2, { bound: 1 });
    const hash = await waiting(controller, "operator:alice");
    controller.world.clock.advance(25 * hour);
    await expect(controller.approval.approve("operator:bob", hash)).rejects.toMatchObject({ code: "conflict" });
    expect((await controller.approval.find(hash)).state).toBe("expired");
    expect(await active(controller)).toBe(2);
  });

  it("is not carried out for somebody whose access has ended", async () => {
    const controller = await aFleet(2, { bound: 1 });
    const hash = await waiting(controller, "operator:alice");
    await register(controller, { name: "alice", disabledAt: controller.world.clock.now() });
    await expect(controller.approval.approve("operator:bob", hash)).rejects.toMatchObject({ code: "denied" });
    await expect(waiting(controller, "operator:alice")).rejects.toThrow(/access of operator:alice has ended/);
  });
});

describe("what else the bound covers", () => {
  it("counts suspending and retiring like revoking", async () => {
    const controller = await aFleet(3, { bound: 2 });
    await controller.revocation.suspend("operator:alice", "edge-0", "lost");
    await controller.revocation.retire("operator:alice-2", "edge-1");
    await expect(controller.revocation.suspend("operator:alice", "edge-2", "lost")).rejects.toMatchObject({
      code: "second-person-required",
    });
  });

  it("counts reinstating by itself", async () => {
    const controller = await aFleet(3, { bound: 3, more: "reinstateAlone: 1" });
    for (const id of ["edge-0", "edge-1"]) await controller.revocation.suspend("operator:alice", id, "lost");
    const reinstate = (device: string) => controller.revocation.reinstate("operator:bob", { device, onlyHolds: false });
    await reinstate("edge-0");
    await expect(reinstate("edge-1")).rejects.toMatchObject({ code: "second-person-required" });
    const plan = (await controller.approval.list(9)).find(({ state }) => state === "open");
    await controller.approval.approve("operator:alice", plan?.hash ?? "");
    expect(await active(controller)).toBe(3);
  });

  it("lets a large claim be made once, by who asked, after a second person approved it", async () => {
    const controller = await startTestController({ config: "bounds: {claimUsesAlone: 10}" });
    await registerPersons(controller);
    const make = (actor: string, maxUses: number) =>
      controller.enrolment.createClaim(actor, { maxUses, validFor: hour });
    await make("operator:alice", 6);
    await expect(make("operator:alice-2", 6)).rejects.toMatchObject({ code: "second-person-required" });
    const plan = (await controller.approval.list(9)).find(({ state }) => state === "open");
    await expect(controller.approval.approve("operator:alice", plan?.hash ?? "")).rejects.toMatchObject({
      code: "denied",
    });
    expect((await controller.approval.approve("operator:bob", plan?.hash ?? "")).plan.state).toBe("granted");
    await expect(make("operator:carol", 11)).rejects.toMatchObject({ code: "second-person-required" });
    await expect(make("operator:alice-2", 6)).resolves.toMatchObject({ claim: { maxUses: 6 } });
    await expect(make("operator:alice-2", 6)).rejects.toMatchObject({ code: "second-person-required" });
  });

  it("lets one person lower a bound, but needs two to raise it, and does not take a higher one from the configuration", async () => {
    const controller = await aFleet(2, { bound: 5 });
    const set = (actor: string, value: number) =>
      controller.approval.submit({ actor, kind: "bound", request: { bound: "revoke", value } });
    await set("operator:alice", 1);
    await expect(set("operator:alice", 2)).rejects.toMatchObject({ code: "second-person-required" });
    const again = await startTestController({ world: controller.world, config: "bounds: {revokeAlone: 1000}" });
    expect((await again.approval.bounds()).revoke).toBe(1);
    expect(again.notices).toContainEqual(expect.objectContaining({ name: "bound.kept" }));
    const plan = (await again.approval.list(9)).find(({ state }) => state === "open");
    await again.approval.approve("operator:bob", plan?.hash ?? "");
    expect((await again.approval.bounds()).revoke).toBe(2);
    const lower = await startTestController({ world: controller.world, config: "bounds: {revokeAlone: 1}" });
    expect((await lower.approval.bounds()).revoke).toBe(1);
  });
});

describe("a plan in stages", () => {
  it("goes on at its rate, waits while paused, survives a restart and publishes every stage", async () => {
    const controller = await aFleet(6, { bound: 10 });
    const { clock } = controller.world;
    const selection = { filter: "site=berlin", reason };
    const { record } = await controller.revocation.revoke("operator:alice", selection, { rate: 2 });
    expect(record).toMatchObject({ state: "running", done: 1 });
    clock.advance(30_000);
    await controller.approval.advance();
    expect(await active(controller)).toBe(4);
    await controller.approval.control("operator:bob", record.hash, "pause");
    clock.advance(10 * 60_000);
    await controller.approval.advance();
    expect(await active(controller)).toBe(4);
    const again = await startTestController({ world: controller.world, config: "bounds: {revokeAlone: 10}" });
    await again.approval.control("operator:bob", record.hash, "resume");
    await again.approval.advance();
    expect(await active(again)).toBe(4);
    clock.advance(60_000);
    await again.approval.advance();
    expect(await active(again)).toBe(2);
    // What was missed while nobody served is not made up for in one leap.
    clock.advance(hour);
    await again.approval.advance();
    const end = await again.approval.find(record.hash);
    expect(end).toMatchObject({ state: "done", done: 6 });
    expect(end.epochs).toHaveLength(4);
    expect(await active(again)).toBe(0);
  });

  it("ends where it is aborted", async () => {
    const controller = await aFleet(3, { bound: 10 });
    const { record } = await controller.revocation.revoke(
      "operator:alice",
      { filter: "site=berlin", reason },
      { rate: 1 },
    );
    await controller.approval.control("operator:bob", record.hash, "abort");
    controller.world.clock.advance(hour);
    await controller.approval.advance();
    expect(await active(controller)).toBe(2);
    await expect(controller.approval.control("operator:bob", record.hash, "resume")).rejects.toMatchObject({
      code: "conflict",
    });
  });
});

async function aFleet(count: number, { bound, more = "" }: { bound: number; more?: string }): Promise<TestController> {
  const controller = await startTestController({ config: `bounds: {revokeAlone: ${bound}, ${more}}` });
  await registerPersons(controller);
  for (let index = 0; index < count; index++) await enrolInBerlin(controller, `edge-${index}`);
  return controller;
}

async function enrolInBerlin(controller: TestController, id: string): Promise<void> {
  await anEnrolledDevice(controller, id);
  await controller.inventory.setAttributes("local", id, { site: "berlin" });
}

async function registerPersons(controller: TestController): Promise<void> {
  for (const name of ["alice", "bob", "carol"]) await register(controller, { name });
  await register(controller, { name: "alice-2", person: "alice" });
}

let certificates = 100;
async function register(
  { store }: TestController,
  {
    name,
    person = name,
    createdBy = "local",
    disabledAt,
  }: Partial<Parameters<typeof anOperator>[0] & object> & { name: string },
): Promise<void> {
  const row = anOperator({ name, person, createdBy, disabledAt, certificateSha256: hex64(certificates++) });
  await store.transaction((tx) => tx.operators.put(row));
}

/** Asks for a revocation and gives the hash of the plan that then waits. */
async function waiting(
  { revocation, approval }: TestController,
  actor: string,
  selection: Parameters<TestController["revocation"]["revoke"]>[1] = { filter: "site=berlin", reason },
): Promise<string> {
  const { hash } = await revocation.plan(actor, selection);
  await expect(revocation.revoke(actor, selection)).rejects.toMatchObject({ code: "second-person-required" });
  expect(await approval.find(hash)).toMatchObject({ state: "open" });
  return hash;
}

const active = ({ store }: TestController): Promise<number> =>
  store.transaction(async (tx) => (await tx.devices.countByState()).active);
