import { parseCertificate } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import {
  anEnrolledDevice,
  type ControllerWorld,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";

const day = 86_400_000;

/** The next start of a controller, with another profiles.yaml. */
const startWith = (world: ControllerWorld, profiles: string) => startTestController({ world, profiles });

/** How long the certificate of a device lives that enrols now. */
async function lifeOf(controller: TestController, id: string): Promise<number> {
  const { notBefore, notAfter } = parseCertificate((await anEnrolledDevice(controller, id)).certificate);
  return Math.round((notAfter - notBefore) / day);
}

async function register({ store, world }: TestController, name: string): Promise<void> {
  await store.transaction(async (tx) => {
    await tx.operators.put({
      ...{ name, person: name, role: "approver", certificateSha256: name.padEnd(64, "0"), createdBy: "local" },
      ...{ createdAt: world.clock.now(), notAfter: world.clock.now() + 400 * day, disabledAt: undefined },
    });
  });
}

const waiting = async ({ approval }: TestController) =>
  (await approval.list(20))
    .filter(({ state }) => state === "open")
    .map(({ kind, hash, requestedBy }) => ({ kind, hash, requestedBy }));

const changes = ({ store }: TestController) =>
  store.transaction(async (tx) =>
    (await tx.audit.list(1, 1000))
      .filter(({ action }) => action === "settings.changed")
      .map(({ actor, target }) => [actor, target]),
  );

describe("profiles.yaml", () => {
  it("holds as it is at the first start, and at once where it asks for more later", async () => {
    const first = await startTestController({ profiles: "profiles: {device: {validity: 40d}}" });
    expect(await lifeOf(first, "edge-1")).toBe(40);
    const stricter = await startWith(first.world, "profiles: {device: {validity: 10d}, gate: {validity: 5d}}");
    expect(await lifeOf(stricter, "edge-2")).toBe(10);
    expect([await waiting(stricter), await changes(stricter)]).toEqual([[], [["controller", "profiles"]]]);
    const same = await startWith(first.world, "profiles: {device: {validity: 10d}, gate: {validity: 5d}}");
    expect(await changes(same)).toHaveLength(1);
  });

  it("waits for a second person where it lets more through, and then holds without a restart", async () => {
    const first = await startTestController({ profiles: "profiles: {device: {validity: 10d}}" });
    await register(first, "bob");
    const weaker = "profiles: {device: {validity: 400d, renewAt: 0.5}, loose: {keyAlgorithms: [RSA-2048]}}";
    const controller = await startWith(first.world, weaker);
    expect(await lifeOf(controller, "edge-1")).toBe(10);
    expect(controller.notices).toContainEqual({ name: "policy.kept", details: { settings: "device.validity, loose" } });
    const [plan] = await waiting(controller);
    expect(plan).toMatchObject({ kind: "policy", requestedBy: "local" });
    await expect(controller.approval.approve("local", plan?.hash ?? "")).rejects.toMatchObject({ code: "denied" });
    // Another start asks for the same, not for more of it.
    const again = await startWith(first.world, weaker);
    expect(await waiting(again)).toEqual([plan]);
    const { plan: done } = await again.approval.approve("operator:bob", plan?.hash ?? "");
    expect(done).toMatchObject({ state: "done", weight: 2, items: ["device", "loose"] });
    expect(await lifeOf(again, "edge-2")).toBe(400);
    const restarted = await startWith(first.world, weaker);
    expect(await lifeOf(restarted, "edge-3")).toBe(400);
    expect(await waiting(restarted)).toEqual([]);
    expect((await changes(restarted)).at(-1)).toEqual(["local", "profiles"]);
  });

  it("is not what was asked for any more once it says something else", async () => {
    const first = await startTestController({ profiles: "profiles: {device: {validity: 10d}}" });
    await register(first, "bob");
    const asked = await startWith(first.world, "profiles: {device: {validity: 20d}}");
    const [plan] = await waiting(asked);
    const other = await startWith(first.world, "profiles: {device: {validity: 900d}}");
    const refused = other.approval.approve("operator:bob", plan?.hash ?? "");
    await expect(refused).rejects.toMatchObject({ code: expect.stringMatching(/conflict|plan-stale/) });
    expect(await lifeOf(other, "edge-1")).toBe(10);
    // Back and forth does not get past it either.
    await startWith(first.world, "profiles: {}");
    const back = await startWith(first.world, "profiles: {device: {validity: 900d}}");
    expect(await lifeOf(back, "edge-2")).toBe(10);
  });
});

describe("a bound in config.yaml", () => {
  it("holds at once when it is lower, and waits for a second person when it is higher", async () => {
    const { world } = await startTestController({ config: "bounds: {revokeAlone: 5, claimUsesAlone: 100}" });
    const raised = await startTestController({ world, config: "bounds: {revokeAlone: 500, claimUsesAlone: 10}" });
    await register(raised, "bob");
    expect(await raised.approval.bounds()).toMatchObject({ revoke: 5, claim: 10 });
    const [plan, ...more] = await waiting(raised);
    expect([plan, more]).toMatchObject([{ kind: "bound", requestedBy: "local" }, []]);
    await expect(raised.approval.approve("local", plan?.hash ?? "")).rejects.toMatchObject({ code: "denied" });
    await raised.approval.approve("operator:bob", plan?.hash ?? "");
    expect(await raised.approval.bounds()).toMatchObject({ revoke: 500, claim: 10 });
    const again = await startTestController({ world, config: "bounds: {revokeAlone: 500, claimUsesAlone: 10}" });
    expect([await again.approval.bounds(), await waiting(again)]).toMatchObject([{ revoke: 500 }, []]);
  });
});
