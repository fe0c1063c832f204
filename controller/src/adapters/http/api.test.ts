import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FleetError, isFleetError } from "@fleetcert/shared";
import { afterEach, describe, expect, it } from "vitest";
import type { Actor, Operations } from "../../access/operations.ts";
import { isAllowed } from "../../access/permissions.ts";
import { routes } from "../../access/routes.ts";
import type { Role } from "../../records.ts";
import { openApiClient, remoteActor } from "./api-client.ts";
import { type ApiServer, openApiServer } from "./api-server.ts";

const roles: Role[] = ["viewer", "auditor", "field", "factory", "operator", "security", "approver", "admin"];

describe("the API on a unix socket", () => {
  let server: ApiServer | undefined;
  const directories: string[] = [];
  afterEach(async () => {
    await server?.close();
    for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true });
  });

  async function serve(operations: Partial<Operations>, actor: Actor = { name: "local", role: "admin" }) {
    const directory = await mkdtemp(join(tmpdir(), "fleetcert-api-"));
    directories.push(directory);
    const path = join(directory, "admin.sock");
    const denied: string[] = [];
    const internal: unknown[] = [];
    server = await openApiServer({
      listener: { type: "socket", path, actor },
      operations: operations as Operations,
      recordDenied: async ({ route }) => {
        denied.push(route);
      },
      onInternalError: (error) => internal.push(error),
    });
    return { client: openApiClient({ type: "socket", path }), denied, internal };
  }

  it("passes arguments and results through, octets included", async () => {
    const seen: unknown[] = [];
    const { client } = await serve({
      operators: {
        create: async (actor: Actor, request: unknown) => {
          seen.push(actor, request);
          return { operator: { name: "alice" }, certificate: Buffer.from([1, 2]), chain: [Uint8Array.of(3)] };
        },
      },
      crls: {
        diff: async (_: Actor, from: number, to: number) => ({ added: [String(from), String(to)], removed: [] }),
      },
    } as unknown as Operations);
    const made = await client.operators.create(remoteActor, {
      name: "alice",
      role: "viewer",
      csr: Uint8Array.of(9, 8),
    });
    expect(seen).toEqual([
      { name: "local", role: "admin" },
      { name: "alice", role: "viewer", csr: Uint8Array.of(9, 8) },
    ]);
    expect(made.certificate).toEqual(Uint8Array.of(1, 2));
    expect(made.chain).toEqual([Uint8Array.of(3)]);
    expect(await client.crls.diff(remoteActor, 3, 4)).toEqual({ added: ["3", "4"], removed: [] });
  });

  it("carries typed errors with their hint", async () => {
    const { client } = await serve({
      devices: {
        show: async () => {
          throw new FleetError("not-found", "there is no device edge-1", { hint: "fleetcert device list" });
        },
      },
    } as unknown as Operations);
    await expect(client.devices.show(remoteActor, "edge-1")).rejects.toMatchObject({
      code: "not-found",
      message: "there is no device edge-1",
      hint: "fleetcert device list",
    });
  });

  it("keeps the text of unexpected errors to itself", async () => {
    const { client, internal } = await serve({
      devices: {
        show: async () => {
          throw new TypeError("secret detail");
        },
      },
    } as unknown as Operations);
    const error = await client.devices.show(remoteActor, "edge-1").catch((caught: unknown) => caught);
    expect(isFleetError(error, "internal")).toBe(true);
    expect(String(error)).not.toContain("secret detail");
    expect(internal).toHaveLength(1);
  });

  it("refuses unknown fields, wrong types and bodies where none belongs", async () => {
    const { client } = await serve({} as Operations);
    const wrong = [
      client.claims.create(remoteActor, { maxUses: 0, validFor: 5000 }),
      client.claims.create(remoteActor, { maxUses: 1, validFor: 5000, extra: 1 } as never),
      client.rotations.request(remoteActor, { devices: ["../etc"] }),
      client.devices.list(remoteActor, { limit: 100_000 }),
    ];
    for (const call of wrong) await expect(call).rejects.toMatchObject({ code: "request-invalid" });
  });

  it("lets each role do exactly what the table says, and records every denied attempt", async () => {
    for (const role of roles) {
      const { client, denied } = await serve(everything(), { name: `operator:${role}`, role });
      const expectedDenied: string[] = [];
      for (const route of routes) {
        const outcome = await callRoute(client, route.name).then(
          () => "allowed",
          (error: unknown) => (isFleetError(error, "denied") ? "denied" : `failed: ${String(error)}`),
        );
        const expected = isAllowed(role, route.permission) ? "allowed" : "denied";
        expect(`${route.name} ${outcome}`, role).toBe(`${route.name} ${expected}`);
        if (expected === "denied") expectedDenied.push(route.name);
      }
      expect(denied).toEqual(expectedDenied);
      await server?.close();
    }
  });
});

/** Operations that answer everything with nothing. */
function everything(): Operations {
  const group = new Proxy({}, { get: () => async () => ({ chain: [] }) });
  return new Proxy({}, { get: () => group }) as Operations;
}

function callRoute(client: Operations, name: string): Promise<unknown> {
  const calls: Record<string, () => Promise<unknown>> = {
    "claims.create": () => client.claims.create(remoteActor, { maxUses: 1, validFor: 60_000 }),
    "devices.set": () => client.devices.set(remoteActor, "edge-1", { site: "berlin" }),
    "devices.suspend": () => client.devices.suspend(remoteActor, "edge-1", "lost"),
    "devices.reenrol": () => client.devices.reenrol(remoteActor, "edge-1", 3_600_000),
    "operators.renew": () => client.operators.renew(remoteActor, { name: "erin", csr: new Uint8Array([1]) }),
    "devices.quote": () => client.devices.quote(remoteActor, "edge-1", "sha256:0,7"),
    "rollover.begin": () => client.rollover.begin(remoteActor, { to: "a".repeat(64) }),
    "rotations.plan": () => client.rotations.plan(remoteActor, { filter: "site=berlin" }),
    "rotations.show": () => client.rotations.show(remoteActor, "r1"),
    "rotations.request": () => client.rotations.request(remoteActor, { devices: ["edge-1"] }),
    "revocations.plan": () => client.revocations.plan(remoteActor, { device: "edge-1", reason: "keyCompromise" }),
    "revocations.revoke": () => client.revocations.revoke(remoteActor, { device: "edge-1", reason: "keyCompromise" }),
    "crls.show": () => client.crls.show(remoteActor, "a".repeat(64), 0),
    "crls.diff": () => client.crls.diff(remoteActor, 1, 2),
    "trust.intend": () =>
      client.trust.intend(remoteActor, { kind: "certificate", target: "issuing CA", tbsSha256: "a".repeat(64) }),
    "trust.publish": () => client.trust.publish(remoteActor, Uint8Array.of(1)),
    "operators.create": () =>
      client.operators.create(remoteActor, { name: "bob", role: "viewer", csr: Uint8Array.of(1) }),
    "revocations.undo": () => client.revocations.undo(remoteActor, { device: "edge-1" }),
    "revocations.status": () => client.revocations.status(remoteActor, {}),
    "plans.show": () => client.plans.show(remoteActor, "a".repeat(64)),
    "plans.reject": () => client.plans.reject(remoteActor, "a".repeat(64), "no"),
    "plans.control": () => client.plans.control(remoteActor, "a".repeat(64), "pause"),
    "bounds.set": () => client.bounds.set(remoteActor, "revoke", 5),
    "operators.createKey": () => client.operators.createKey(remoteActor, { operator: "alice", validFor: 60_000 }),
  };
  const [group, method] = name.split(".") as [keyof Operations, string];
  const byName = calls[name];
  if (byName !== undefined) return byName();
  const operation = (client[group] as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>)[method];
  const argument =
    /list|age|summary|verify|show/.test(method) && !/(devices|certificates|plans).show/.test(name) ? {} : "edge-1";
  return operation?.(remoteActor, argument) ?? Promise.reject(new Error(`no operation ${name}`));
}
