import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startNginxService } from "../../scripts/demo/host-service.ts";
import { httpExchange, startLoad } from "../../scripts/demo/steady-load.ts";
import { endPrograms, untilSeen } from "../support/programs/processes.ts";
import { askAgent, placeAgent, startAgentRun } from "../support/scenarios/scenario-agent.ts";
import { administrator, makeController, serve } from "../support/scenarios/scenario-controller.ts";
import type { Row } from "./run.ts";

/**
 * An nginx whose certificate the agent rotates ten times, under a steady load of eight clients that open a connection for each request:
 * requests that failed (the goal is 0), and the 99th percentile of their time while rotations go on against the time before. All on
 * one machine: what the agent and the controller compute meanwhile is in it.
 */
export async function bench(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "fleetcert-load-"));
  const service = await startNginxService(join(folder, "nginx"), "web");
  try {
    const place = await makeController(join(folder, "controller"));
    await writeFile(join(place.data, "profiles.yaml"), profiles);
    const controller = await serve(place);
    const { claimString } = await controller.operations.claims.create(administrator, { maxUses: 1, validFor: 600_000 });
    const claimFile = join(folder, "claim");
    await writeFile(claimFile, claimString, { mode: 0o600 });
    const data = join(folder, "agent");
    const agent = await placeAgent({
      data,
      device: "server-1",
      controller: place,
      claimFile,
      settings: { slots: [service.slot] },
    });
    startAgentRun(agent);
    const untilGeneration = (generation: number) =>
      untilSeen(
        async () => {
          const slot = (await askAgent(agent))?.slots.find((one) => one.slot === "web");
          return slot?.journal === "idle" && (slot.certificate?.generation ?? 0) >= generation ? slot : undefined;
        },
        { within: 60_000, complain: () => `generation ${generation} did not come` },
      );
    await untilGeneration(1);

    const load = startLoad({ port: service.port, clients: 8, exchange: httpExchange });
    await sleep(warmUp);
    const begin = load.figures().latencies.length;
    await sleep(quiet);
    const before = load.figures().latencies.length;
    for (let generation = 2; generation <= rotations + 1; generation += 1) {
      await controller.operations.rotations.request(administrator, { devices: ["server-1"], slot: "web" });
      await untilGeneration(generation);
    }
    const { requests, failed, latencies, served, firstFailure } = await load.stop();
    if (failed > 0) process.stderr.write(`first failure: ${firstFailure}\n`);
    const calm = percentile99(latencies.slice(begin, before));
    const busy = percentile99(latencies.slice(before));
    return [
      { name: "rotation-under-load, requests", value: requests, unit: "requests" },
      { name: "rotation-under-load, failed", value: failed, unit: "requests" },
      { name: "rotation-under-load, certificates", value: served.length, unit: "served" },
      { name: "rotation-under-load, p99 before", value: calm, unit: "ms" },
      { name: "rotation-under-load, p99 during", value: busy, unit: "ms", ratio: busy / calm, of: "p99 before" },
    ];
  } finally {
    await endPrograms();
    await service.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function percentile99(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.99)] ?? 0;
}

const rotations = 10;
const warmUp = 2_000;
const quiet = 8_000;
const profiles = `profiles:
  device:
    slots: { web: web }
  web:
    extendedKeyUsage: [serverAuth]
    alternativeNames: [localhost]
`;
