import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { initController } from "@fleetcert/controller";
import { type ControllerProcess, startControllerProcess } from "../support/controller-process.ts";
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
    let controller = await serve(data);
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

    controller.child.kill("SIGKILL");
    await controller.ended;
    await sleep(outageMs);
    controller = await serve(data);
    const served = performance.now();
    const half = await untilConnected(controller, count / 2);
    await untilConnected(controller);
    const all = performance.now();
    const peak = peakMemory(controller);
    const { operations } = controller;
    const { items } = await operations.certificates.list(local, { limit: 1000, notProven: true });
    await controller.stop();
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

async function serve(data: string): Promise<ControllerProcess> {
  const controller = await startControllerProcess(data);
  if (controller === undefined) throw new Error("the controller did not start");
  return controller;
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
async function untilConnected({ operations, ended }: ControllerProcess, wanted = count): Promise<number> {
  const died = ended.then((how) => {
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
function peakMemory({ child }: ControllerProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  return Number(/^VmHWM:\s+([0-9]+) kB$/m.exec(status)?.[1]) / 1024;
}

/** Ports that stay the same when the controller comes back. */
async function freeListeners(): Promise<Record<string, { host: string; port: number }>> {
  const names = ["operational", "bootstrap", "http", "api"];
  const servers = names.map(() => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return Object.fromEntries(names.map((name, index) => [name, { host: "127.0.0.1", port: ports[index] ?? 0 }]));
}

const count = Number(process.env["FLEETCERT_STORM_AGENTS"] ?? 2000);
const processes = 4;
const outageMs = 5_000;
const local = { name: "local", role: "admin" } as const;
