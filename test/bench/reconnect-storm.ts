import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { initController } from "@fleetcert/controller";
import { freePorts } from "../../scripts/demo/free-ports.ts";
import type { Program } from "../support/processes.ts";
import { type ServingController, serve } from "../support/scenario-controller.ts";
import type { StormOrder } from "./reconnect-storm-agents.ts";
import type { Row } from "./run.ts";

/**
 * Agents with software keys, in at most four processes, lose their controller and come back to it all at once: the time until every
 * one is connected again, and the most memory the controller took. FLEETCERT_STORM_AGENTS sets how many (2,000).
 */
export async function bench(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "fleetcert-storm-"));
  const hosts: ReturnType<typeof startHost>[] = [];
  try {
    const data = join(folder, "controller");
    const settings = { listeners: await freeListeners(), bounds: { claimUsesAlone: 1_000_000 } };
    await initController({ data, fleet: "storm", hosts: ["127.0.0.1"], rootPassphrase: undefined, settings });
    let controller = await serve({ data }, "error");
    const { claimString } = await controller.operations.claims.create(local, { maxUses: count, validFor: 86_400_000 });
    const began = performance.now();
    const share = Math.ceil(count / processes);
    for (let host = 0; host < processes; host++) {
      const ids = Array.from({ length: Math.min(share, count - host * share) }, (_, n) => `storm-${host * share + n}`);
      const { operational, bootstrap } = controller.endpoints;
      hosts.push(startHost({ folder, claimString, ids, operational: operational.port, bootstrap: bootstrap.port }));
    }
    await untilConnected(controller);
    const enrolledIn = (performance.now() - began) / 1000;

    await controller.program.kill();
    await sleep(outageMs);
    controller = await serve({ data }, "error");
    const served = performance.now();
    const half = await untilConnected(controller, count / 2);
    await untilConnected(controller);
    const all = performance.now();
    const peak = peakMemory(controller.program);
    const { operations } = controller;
    const { items } = await operations.certificates.list(local, { limit: 1000, notProven: true });
    await controller.program.stop();
    return [
      { name: "agents enrolled and connected", value: count / enrolledIn, unit: "agents/s" },
      { name: "half of the agents back", value: (half - served) / 1000, unit: "s" },
      { name: "all agents back", value: (all - served) / 1000, unit: "s" },
      { name: "agents back", value: count / ((all - served) / 1000), unit: "agents/s" },
      { name: "controller's peak memory", value: peak, unit: "MiB" },
      { name: "certificates left unproven", value: items.length, unit: "" },
    ];
  } finally {
    for (const host of hosts) host.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function startHost(order: StormOrder) {
  const child = fork(join(import.meta.dirname, "reconnect-storm-agents.ts"), {
    execArgv: ["--disable-warning=ExperimentalWarning"],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  child.send(order);
  return child;
}

/** Resolves with the moment at which so many have a session. */
async function untilConnected({ operations, program }: ServingController, wanted = count): Promise<number> {
  const died = program.ended.then((how) => {
    throw new Error(`the controller ended: ${how}`);
  });
  died.catch(() => undefined);
  for (;;) {
    const { connected } = await Promise.race([operations.fleet.summary(local), died]);
    if (connected >= wanted) return performance.now();
    await sleep(100);
  }
}

/** VmHWM of the process, MiB. */
function peakMemory({ pid }: Program): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+([0-9]+) kB$/m.exec(status)?.[1]) / 1024;
}

/** Ports that stay the same when the controller comes back. */
async function freeListeners(): Promise<Record<string, { host: string; port: number }>> {
  const names = ["operational", "bootstrap", "http", "api"];
  const ports = await freePorts(names.length);
  return Object.fromEntries(names.map((name, index) => [name, { host: "127.0.0.1", port: ports[index] ?? 0 }]));
}

const count = Number(process.env["FLEETCERT_STORM_AGENTS"] ?? 2000);
const processes = 4;
const outageMs = 5_000;
const local = { name: "local", role: "admin" } as const;
