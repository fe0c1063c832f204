import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initController, type RunningController, startController } from "@fleetcert/controller";
import { maintain } from "../../controller/src/cli/serving/maintenance.ts";
import { hex64 } from "../contracts/store-records.ts";
import { fillFleet, syntheticId } from "../support/controller/synthetic-fleet.ts";
import { median } from "./measure.ts";
import type { Row } from "./run.ts";

/**
 * What the controller does again and again, with 50,000 devices in its store against 1,000: a scrape of its metrics, a maintenance
 * round, the same while a CA rolls over, and three things people ask. What is done by the clock or by a scraper must not grow; what
 * reads the fleet anew is kept for nine times as long as it took.
 */
export async function bench(): Promise<Row[]> {
  await measure(100); // Lets the compiler settle.
  const small = await measure(1_000);
  const large = await measure(50_000);
  const of = "1,000 devices";
  return Object.entries(large).map(([name, value]) => {
    const yardstick = small[name as keyof typeof small] ?? 0;
    return { name: `large-fleet: ${name}`, value, unit: "ms", ratio: value / yardstick, of };
  });
}

async function measure(devices: number) {
  const folder = await mkdtemp(join(tmpdir(), "fleetcert-large-"));
  const data = join(folder, "controller");
  await initController({ data, fleet: "large", hosts: ["127.0.0.1"], rootPassphrase: undefined, settings });
  const controller = await startController({ data, logLevel: "fatal" });
  try {
    await fill(controller, devices);
    await controller.duties.revocation.revoke("local", { device: syntheticId(7), reason: "keyCompromise" });
    const { operations, duties, endpoints } = controller;
    await duties.outbox.drain();
    const round = () =>
      maintain({ duties, clock: { now: Date.now, monotonic: () => performance.now() }, listeners: [], log: silent });
    const figures = {
      "metrics scrape": await time(async () => (await fetch(`http://127.0.0.1:${endpoints.http.port}/metrics`)).text()),
      "maintenance round": await time(round),
      readiness: await time(async () => (await fetch(`http://127.0.0.1:${endpoints.http.port}/readyz`)).text()),
      "fleet summary, read anew": await timeOnce(() => operations.fleet.summary(local)),
      "fleet summary": await time(() => operations.fleet.summary(local)),
      "page of 100 devices": await time(() => operations.devices.list(local, { limit: 100 })),
      "revoke status": await time(() => duties.revocation.propagation()),
    };
    await duties.store.transaction((tx) => tx.settings.put("ca-rollover", JSON.stringify(rollover(controller))));
    return {
      ...figures,
      "round in a CA rollover, read anew": await timeOnce(round),
      "round in a CA rollover": await time(round),
    };
  } finally {
    await controller.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A list of 10,000 entries beside the devices, of which half are connected. */
async function fill({ duties, issuerId: issuer }: RunningController, devices: number): Promise<void> {
  await duties.revocation.publishIfDue({ isStarting: true });
  const epoch = (await duties.store.transaction((tx) => tx.epochs.latest(issuer)))?.epoch ?? 0;
  await fillFleet(duties.store, { issuer, epoch, devices, revoked: 10_000, now: Date.now() });
  await duties.revocation.publishIfDue({ isStarting: true });
  for (let number = 0; number < devices / 2; number += 1) {
    const peer = { type: "operational", device: syntheticId(number), certificateSha256: hex64(number) } as const;
    await duties.inventory.sessionChanged({ peer, connected: true });
  }
  await duties.outbox.drain();
}

async function time(act: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let turn = 0; turn < 5; turn += 1) times.push(await timeOnce(act));
  return median(times);
}

async function timeOnce(act: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await act();
  return performance.now() - began;
}

function rollover({ issuerId }: RunningController): object {
  return {
    ...{ to: issuerId, from: hex64(1), state: "distributing", bundle: { era: 9, version: 9 }, rollout: "" },
    ...{ thresholds: { always: 99, daily: 95, rare: 80, courier: 0 }, percents: [100], spread: 0 },
    ...{ gates: { provenPercent: 100, maxFailures: 0, within: day, soak: 0 }, startedAt: 0, startedBy: "local" },
  };
}

const day = 86_400_000;
const local = { name: "local", role: "admin" } as const;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const anywhere = { host: "127.0.0.1", port: 0 };
const settings = { listeners: { operational: anywhere, bootstrap: anywhere, http: anywhere, api: anywhere } };
