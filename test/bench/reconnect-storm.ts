import { type ChildProcess, fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { initController } from "@fleetcert/controller";
import { freePorts } from "../../scripts/demo/free-ports.ts";
import { administrator, type ServingController, serve } from "../support/scenarios/scenario-controller.ts";
import { median } from "./measure.ts";
import type { StormNews, StormOrder } from "./reconnect-storm-agents.ts";
import type { Row } from "./run.ts";

/**
 * Agents with software keys, in four processes, lose their controller and come back to it all at once; a tenth of them wants a new
 * certificate whose present one ends in two days, a tenth one that has 90 days left, and a fifth as many newcomers want to enrol. Until
 * everything is at rest again: how long it took, who waited how long, what it cost in memory. FLEETCERT_STORM_AGENTS sets how many (2,000).
 */
export async function bench(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "fleetcert-storm-"));
  const hosts = Array.from({ length: processes }, () => new Host());
  try {
    const data = join(folder, "controller");
    const settings = { listeners: await fixedListeners(), bounds: { claimUsesAlone: 1_000_000 } };
    await initController({ data, fleet: "storm", hosts: ["127.0.0.1"], rootPassphrase: undefined, settings });
    await writeFile(join(data, "profiles.yaml"), profiles);
    const first = await serve({ data }, "error");
    const orders = { folder, operational: first.endpoints.operational.port, bootstrap: first.endpoints.bootstrap.port };
    const claims = { device: await claimFor(first, "device"), brief: await claimFor(first, "brief") };

    const began = Date.now();
    for (const host of hosts) {
      for (const profile of ["device", "brief"] as const) {
        const ids = idsOf(host, hosts).filter((id) => (roleOf(id) === "brief") === (profile === "brief"));
        host.send({ type: "start", ids, isPaced: true, claimString: claims[profile], ...orders });
      }
    }
    const enrolled = await watch(hosts, 0, (host) => idsOf(host, hosts).map((id) => ({ id, generation: 1 })));

    const lost = Date.now();
    await first.program.kill();
    for (const host of hosts)
      host.send({ type: "renew", ids: idsOf(host, hosts).filter((id) => roleOf(id) !== "idle") });
    await sleep(outageMs);
    const controller = await serve({ data }, "error");
    const served = Date.now();
    for (const host of hosts) {
      host.send({
        type: "start",
        ids: newcomersOf(host, hosts),
        isPaced: false,
        claimString: claims.device,
        ...orders,
      });
    }
    const after = await watch(hosts, lost, (host) => [
      ...idsOf(host, hosts).map((id) => ({ id, generation: roleOf(id) === "idle" ? 1 : 2 })),
      ...newcomersOf(host, hosts).map((id) => ({ id, generation: 1 })),
    ]);
    const peak = peakMebibytes(controller.program.pid);
    const busy = processorMs(controller.program.pid);
    const memory = await Promise.all(hosts.map((host) => host.memory()));
    await controller.program.stop();
    return rowsOf({ began, served, enrolled, after, peak, busy, memory });
  } finally {
    for (const host of hosts) host.end();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** When each was connected and when it was at rest. */
interface Moments {
  readonly connected: ReadonlyMap<string, number>;
  readonly steady: ReadonlyMap<string, number>;
}

type Memory = Extract<StormNews, { type: "memory" }>;

function rowsOf(measured: {
  readonly began: number;
  readonly served: number;
  readonly enrolled: Moments;
  readonly after: Moments;
  readonly peak: number;
  readonly busy: number;
  readonly memory: readonly Memory[];
}): Row[] {
  const { began, served, enrolled, after, peak, busy, memory } = measured;
  const since = (moments: ReadonlyMap<string, number>, role: Role): number[] =>
    [...moments].filter(([id]) => roleOf(id) === role).map(([, at]) => (at - served) / 1000);
  const back = (["idle", "brief", "long"] as const)
    .flatMap((role) => since(after.connected, role))
    .sort((a, b) => a - b);
  const share = (part: number): number => back[Math.ceil(back.length * part) - 1] ?? 0;
  const long = median(since(after.steady, "long"));
  const brief = median(since(after.steady, "brief"));
  const last = (moments: ReadonlyMap<string, number>): number => Math.max(...moments.values());
  return [
    {
      name: "storm: enrolled, connected, proven",
      value: count / ((last(enrolled.steady) - began) / 1000),
      unit: "agents/s",
    },
    { name: "storm: half of the agents back", value: share(0.5), unit: "s" },
    { name: "storm: 99 % of the agents back", value: share(0.99), unit: "s" },
    { name: "storm: all agents back", value: share(1), unit: "s" },
    { name: "storm: renewed, 90 days left", value: long, unit: "s (median)" },
    { name: "storm: renewed, 2 days left", value: brief, unit: "s (median)", ratio: brief / long, of: "90 days left" },
    { name: "storm: newcomers enrolled", value: median(since(after.steady, "newcomer")), unit: "s (median)" },
    {
      name: "storm: newcomers turned away",
      value: memory.reduce((sum, one) => sum + one.turnedAway, 0),
      unit: "times",
    },
    { name: "storm: everything at rest", value: (last(after.steady) - served) / 1000, unit: "s" },
    { name: "storm: controller at most", value: peak, unit: "MiB" },
    { name: "storm: controller's processor, a device", value: busy / (count + newcomers), unit: "ms" },
    {
      name: "storm: a process of agents at most",
      value: Math.max(...memory.map((one) => one.peakMebibytes)),
      unit: "MiB",
    },
  ];
}

/** One process of agents. */
class Host {
  readonly #child: ChildProcess;

  constructor() {
    this.#child = fork(join(import.meta.dirname, "reconnect-storm-agents.ts"), {
      execArgv: ["--disable-warning=ExperimentalWarning"],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#child.setMaxListeners(0);
  }

  send(order: StormOrder): void {
    this.#child.send(order);
  }

  /** Tells every message of the process until the result is called. */
  listen(heard: (news: StormNews) => void, died: (error: Error) => void): () => void {
    const onExit = (code: number | null): void => died(new Error(`a process of agents ended with ${code}`));
    this.#child.on("message", heard).once("exit", onExit);
    return () => this.#child.off("message", heard).off("exit", onExit);
  }

  async memory(): Promise<Memory> {
    const answered = Promise.withResolvers<Memory>();
    const stop = this.listen((news) => news.type === "memory" && answered.resolve(news), answered.reject);
    this.send({ type: "memory" });
    return await answered.promise.finally(stop);
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }
}

/** Resolves when every device has the generation it is to have and nothing is under way any more. */
async function watch(
  hosts: readonly Host[],
  since: number,
  devicesOf: (host: Host) => readonly { readonly id: string; readonly generation: number }[],
): Promise<Moments> {
  const connected = new Map<string, number>();
  const steady = new Map<string, number>();
  const done = Promise.withResolvers<void>();
  const wanted = hosts.reduce((sum, host) => sum + devicesOf(host).length, 0);
  const stops = hosts.map((host) =>
    host.listen((news) => {
      if (news.type === "connected") connected.set(news.id, news.at);
      if (news.type === "steady") steady.set(news.id, news.at);
      if (steady.size === wanted) done.resolve();
    }, done.reject),
  );
  const late = setTimeout(() => {
    done.reject(new Error(`${steady.size} of ${wanted} at rest after ${patience} ms, ${connected.size} connected`));
  }, patience);
  for (const host of hosts) host.send({ type: "watch", since, devices: devicesOf(host) });
  await done.promise.finally(() => {
    clearTimeout(late);
    for (const stop of stops) stop();
  });
  return { connected, steady };
}

async function claimFor({ operations }: ServingController, profile: string): Promise<string> {
  const { claimString } = await operations.claims.create(administrator, {
    maxUses: 2 * count,
    validFor: 86_400_000,
    profile,
  });
  return claimString;
}

/** What a device does after the outage. */
type Role = "idle" | "brief" | "long" | "newcomer";

function roleOf(id: string): Role {
  if (id.startsWith("new-")) return "newcomer";
  const place = Number(id.slice("storm-".length)) % 10;
  return place === 0 ? "brief" : place === 1 ? "long" : "idle";
}

function idsOf(host: Host, hosts: readonly Host[]): string[] {
  return shareOf(host, hosts, count).map((number) => `storm-${number}`);
}

function newcomersOf(host: Host, hosts: readonly Host[]): string[] {
  return shareOf(host, hosts, newcomers).map((number) => `new-${number}`);
}

function shareOf(host: Host, hosts: readonly Host[], all: number): number[] {
  const place = hosts.indexOf(host);
  return Array.from({ length: all }, (_, number) => number).filter(
    (number) => Math.floor(number / 10) % processes === place,
  );
}

/** VmHWM of a process. */
function peakMebibytes(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

/** Processor time of a process since its start, its start included: what a busy machine does not change much. */
function processorMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Ports that stay the same when the controller comes back. */
async function fixedListeners(): Promise<Record<string, { host: string; port: number }>> {
  const names = ["operational", "bootstrap", "http", "api"];
  const ports = await freePorts(names.length);
  return Object.fromEntries(names.map((name, index) => [name, { host: "127.0.0.1", port: ports[index] ?? 0 }]));
}

const count = Number(process.env["FLEETCERT_STORM_AGENTS"] ?? 2000);
const newcomers = Math.ceil(count / 5);
const processes = 4;
const outageMs = 5_000;
const patience = 30 * 60_000;
const profiles = `profiles:
  device: {}
  brief:
    validity: 2d
`;
