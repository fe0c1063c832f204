import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSqliteStore } from "../../../controller/src/adapters/store/sqlite/open-store.ts";
import { anOperator, hex64 } from "../../contracts/store-records.ts";
import {
  anEnrolledDevice,
  aWorld,
  startTestController,
  type TestController,
} from "../../support/controller/controller.ts";
import { testSigner } from "../../support/keys/test-signer.ts";
import { readPublished } from "../../support/revocation/published-revocation.ts";

const count = 1000;
const real = 3;

describe("a thousand devices with live sessions, in one plan", () => {
  let folder: string;
  let controller: TestController;
  let devices: Awaited<ReturnType<typeof anEnrolledDevice>>[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "fleetcert-thousand-"));
    const store = await openSqliteStore({ path: join(folder, "store.db") });
    controller = await startTestController({ world: { ...(await aWorld()), store } });
    for (const [index, name] of ["alice", "bob"].entries()) {
      const row = anOperator({ name, person: name, certificateSha256: hex64(900 + index) });
      await controller.store.transaction((tx) => tx.operators.put(row));
    }
    devices = [];
    for (let index = 0; index < real; index++) devices.push(await anEnrolledDevice(controller, idOf(index)));
    await copyDevices(controller, devices[0]?.id ?? "");
    for (let index = 0; index < count; index++) {
      const peer = { type: "operational", device: idOf(index), certificateSha256: hex64(index) } as const;
      await controller.events.sessionChanged({ peer, connected: true });
    }
    await controller.outbox.drain();
  }, 120_000);
  afterAll(async () => {
    await controller?.store.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("are without session, renewal and standing within a second of the approval, and published", async () => {
    const selection = { filter: "state=active", reason: "keyCompromise" };
    const { hash, impact } = await controller.revocation.plan("operator:alice", selection);
    expect(impact).toMatchObject({ devices: count, certificates: count, offline: 0, offlinePercent: 0 });
    await expect(controller.revocation.revoke("operator:alice", selection)).rejects.toMatchObject({
      code: "second-person-required",
    });
    const startedAt = performance.now();
    const cpuBefore = process.cpuUsage();
    const { effect } = await controller.approval.approve("operator:bob", hash);
    await controller.outbox.drain();
    const took = Math.round(performance.now() - startedAt);
    const { user, system } = process.cpuUsage(cpuBefore);
    const cpu = Math.round((user + system) / 1000);
    process.stderr.write(`    revoked ${count} devices in ${took} ms, ${cpu} ms of it on the processor\n`);
    expect(effect.droppedSessions).toBe(count);
    expect(new Set(controller.dropped).size).toBe(count);
    expect((await readPublished(controller)).head.epoch).toBe(effect.epoch);
    expect((await readPublished(controller)).lists[0]?.entryCount).toBe(count);
    for (const device of devices) {
      await expect(device.connect()).rejects.toMatchObject({ code: "device-suspended" });
      const peer = await device.connectBootstrap();
      expect(await device.askRenewal(testSigner("P-256"), 2, { peer })).toMatchObject({ code: "device-suspended" });
    }
    // The clock on the wall counts what other programs of this machine do too.
    expect(cpu).toBeLessThan(1000);
  }, 120_000);
});

const idOf = (index: number): string => `edge-${String(index).padStart(4, "0")}`;

/** Rows as a thousand enrolments would have left them, without the time those take. */
async function copyDevices({ store }: TestController, id: string): Promise<void> {
  await store.transaction(async (tx) => {
    const device = await tx.devices.find(id);
    const [certificate] = await tx.certificates.listOf(id);
    if (device === undefined || certificate === undefined) throw new Error(`${id} is not enrolled`);
    const { issuer, shard } = certificate;
    for (let index = real; index < count; index++) {
      const copy = idOf(index);
      await tx.devices.put({ ...device, id: copy });
      const hex = index.toString(16).padStart(8, "0");
      const serial = `01${shard.toString(16).padStart(4, "0")}${hex}${"7".repeat(26)}`;
      await tx.certificates.put({
        ...certificate,
        device: copy,
        sha256: hex64(index),
        serial,
        index,
        spkiSha256: hex64(index),
      });
    }
    const row = await tx.shards.find(issuer, shard);
    if (row !== undefined) await tx.shards.put({ ...row, nextIndex: count, coveredTo: 2048 });
  });
}
