import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failpoints, initController } from "@fleetcert/controller";
import { parseCertificate, parseCrl } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSqliteStore } from "../../controller/src/adapters/store/sqlite/open-store.ts";
import { verifyAudit } from "../../controller/src/audit/verify-audit.ts";
import { type ControllerProcess, startControllerProcess } from "../support/controller-process.ts";
import { SocketDevice } from "../support/socket-device.ts";

const actor = { name: "local", role: "admin" } as const;
const listener = { host: "127.0.0.1", port: 0 };
let parent: string;
/** A controller that has run once, with one device enrolled; each case takes a copy. */
let base: string;
let edge: SocketDevice;

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "fleetcert-kill-"));
  base = join(parent, "base");
  await initController({
    data: base,
    fleet: "demo",
    hosts: ["127.0.0.1"],
    rootPassphrase: undefined,
    settings: { listeners: { operational: listener, bootstrap: listener, http: listener, api: listener } },
  });
  const controller = await started(base);
  edge = await enrolled(controller, "edge-0");
  await controller.stop();
});

afterAll(async () => {
  await rm(parent, { recursive: true, force: true });
});

describe("a controller killed between intent, signature, store and reply", () => {
  it.each(failpoints.filter((name) => name.startsWith("issuance.")))(
    "%s: the device gets one certificate, every intent is closed, the audit holds (I2, I4, I5, I9)",
    async (failpoint) => {
      const data = await copyOf(base, failpoint);
      const controller = await started(data, failpoint);
      const { claimString, claim } = await controller.operations.claims.create(actor, {
        maxUses: 1,
        validFor: 3_600_000,
      });
      const device = new SocketDevice(controller.endpoints, "edge-1");
      await expect(device.enrol(claimString)).rejects.toThrow();
      expect(await controller.ended).toBe("SIGKILL");

      const again = await started(data);
      device.endpoints = again.endpoints;
      expect(await device.enrol(claimString)).toMatchObject({ type: "issued" });
      expect(await device.activate()).toMatchObject({ type: "confirmed" });
      const { items } = await again.operations.claims.list(actor, {});
      expect(items.find(({ id }) => id === claim.id)?.uses).toBe(1);
      await again.stop();
      expect(await stateOf(data, "edge-1")).toEqual({ open: 0, certificates: ["proven"], audit: true });
    },
  );

  it.each(failpoints.filter((name) => name.startsWith("crl.")))(
    "%s: the revocation stands and is published after the restart (I2, I3, I9)",
    async (failpoint) => {
      const data = await copyOf(base, failpoint);
      const controller = await started(data, failpoint);
      const revoking = controller.operations.revocations.revoke(actor, { device: "edge-0", reason: "keyCompromise" });
      await expect(revoking).rejects.toThrow();
      expect(await controller.ended).toBe("SIGKILL");

      const again = await started(data);
      edge.endpoints = again.endpoints;
      await expect(edge.ask({ type: "time-request" })).rejects.toThrow();
      const { serial } = parseCertificate(edge.certificate);
      const { der, epoch } = await again.operations.crls.show(actor, await issuerOf(again), serial.shard ?? -1);
      expect(parseCrl(Buffer.from(der)).find(serial)).toBeDefined();
      expect(epoch).toBeGreaterThan(1);
      await again.stop();
      expect(await stateOf(data, "edge-0")).toEqual({ open: 0, certificates: ["revoked"], audit: true });
    },
  );

  it("outbox.after-publish: what had left may leave again, and nothing is lost (I10)", async () => {
    const data = await copyOf(base, "outbox");
    expect(await startControllerProcess(data, "outbox.after-publish")).toBeUndefined();
    const again = await started(data);
    expect((await enrolled(again, "edge-2")).generation).toBe(1);
    await again.stop();
    expect(await stateOf(data, "edge-2")).toEqual({ open: 0, certificates: ["proven"], audit: true });
  });
});

async function started(data: string, failpoint = ""): Promise<ControllerProcess> {
  const controller = await startControllerProcess(data, failpoint);
  if (controller === undefined) throw new Error("the controller did not start");
  return controller;
}

async function enrolled(controller: ControllerProcess, id: string): Promise<SocketDevice> {
  const { claimString } = await controller.operations.claims.create(actor, { maxUses: 1, validFor: 3_600_000 });
  const device = new SocketDevice(controller.endpoints, id);
  expect(await device.enrol(claimString)).toMatchObject({ type: "issued" });
  expect(await device.activate()).toMatchObject({ type: "confirmed" });
  return device;
}

async function issuerOf(controller: ControllerProcess): Promise<string> {
  const { issuers } = await controller.operations.trust.show(actor);
  return issuers[0]?.id ?? "";
}

async function copyOf(data: string, name: string): Promise<string> {
  const copy = join(parent, name);
  await cp(data, copy, { recursive: true, filter: (source) => !source.endsWith(".sock") });
  return copy;
}

async function stateOf(data: string, device: string) {
  const store = await openSqliteStore({ path: join(data, "store.db"), create: "never" });
  try {
    const { ok } = await verifyAudit(store);
    return await store.transaction(async (tx) => ({
      open: (await tx.intents.listOpen()).length,
      certificates: (await tx.certificates.listOf(device)).map(({ state }) => state),
      audit: ok,
    }));
  } finally {
    await store.close();
  }
}
