// Runs many agents in one process for the benchmark `reconnect-storm`, which tells it over IPC what to do.
import { createWriteStream, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type RunningAgent, readConfig, startAgent } from "@fleetcert/agent";
import { memoryKeyProvider } from "../support/keys/memory-key-provider.ts";

/** What the benchmark asks of a process. */
export type StormOrder =
  | {
      readonly type: "start";
      readonly folder: string;
      readonly claimString: string;
      readonly ids: readonly string[];
      /** Whether a few at a time enrol; otherwise all at once. */
      readonly isPaced: boolean;
      readonly operational: number;
      readonly bootstrap: number;
    }
  /** Asks for a new generation of each. */
  | { readonly type: "renew"; readonly ids: readonly string[] }
  /** Tells of each when it is connected, and when nothing is under way any more and it has that generation. */
  | {
      readonly type: "watch";
      /** Sessions from before do not count. */
      readonly since: number;
      readonly devices: readonly { readonly id: string; readonly generation: number }[];
    }
  | { readonly type: "memory" };

/** What a process tells the benchmark; `at` is a wall clock that all processes share. */
export type StormNews =
  | { readonly type: "connected" | "steady"; readonly id: string; readonly at: number }
  | { readonly type: "memory"; readonly peakMebibytes: number; readonly turnedAway: number };

const agents = new Map<string, RunningAgent>();
/** When each last said that it was connected. */
const connectedAt = new Map<string, number>();
let turnedAway = 0;

process.on("message", (order: StormOrder) => void obey(order));
process.on("disconnect", () => process.exit());

async function obey(order: StormOrder): Promise<void> {
  switch (order.type) {
    case "start":
      return await start(order);
    case "renew":
      for (const id of order.ids) agents.get(id)?.renew();
      return;
    case "watch":
      return await watch(order);
    case "memory":
      return tell({ type: "memory", peakMebibytes: peakMebibytes(), turnedAway });
  }
}

async function start(order: Extract<StormOrder, { type: "start" }>): Promise<void> {
  const { folder, claimString, ids, operational, bootstrap } = order;
  const claimFile = join(folder, `claim-${ids[0]}`);
  await writeFile(claimFile, `${claimString}\n`, { mode: 0o600 });
  const waiting = [...ids];
  const startNext = async (): Promise<void> => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      const flags = {
        ...{ device: id, claimFile },
        controller: { host: "127.0.0.1", port: operational, bootstrapPort: bootstrap },
      };
      const data = join(folder, "agents", id);
      await mkdir(data, { recursive: true, mode: 0o700 });
      // Each agent has its keys to itself; encrypting 2,000 key files is not what is measured.
      const agent = await startAgent({ ...readConfig({ flags }), data }, { keys: memoryKeyProvider(), log: logOf(id) });
      agents.set(id, agent);
      while (order.isPaced && agent.status().connection?.state !== "connected") await sleep(lookEvery);
    }
  };
  await Promise.all(Array.from({ length: order.isPaced ? atOnce : ids.length }, startNext));
}

async function watch({ since, devices }: Extract<StormOrder, { type: "watch" }>): Promise<void> {
  const connected = new Set<string>();
  let waiting = [...devices];
  while (waiting.length > 0) {
    const at = Date.now();
    waiting = waiting.filter(({ id, generation }) => {
      const status = agents.get(id)?.status();
      const heard = connectedAt.get(id) ?? 0;
      if (status?.connection?.state !== "connected" || heard < since) return true;
      if (!connected.has(id)) tell({ type: "connected", id, at: heard });
      connected.add(id);
      const slot = status.slots[0];
      const isAtRest = slot?.journal === "idle" || slot?.journal === "confirmed";
      const isSteady = isAtRest && (slot.certificate?.generation ?? 0) >= generation;
      if (isSteady) tell({ type: "steady", id, at });
      return !isSteady;
    });
    await sleep(lookEvery);
  }
}

/** VmHWM of this process. */
function peakMebibytes(): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1024;
}

function tell(news: StormNews): void {
  process.send?.(news);
}

/** FLEETCERT_STORM_LOG names a file for what the agents say, to find out who waited for what; each process appends its id. */
const logFile = process.env["FLEETCERT_STORM_LOG"];
const lines = logFile === undefined ? undefined : createWriteStream(`${logFile}.${process.pid}`);
function logOf(id: string) {
  const say = (fields: Readonly<Record<string, unknown>>, event: string): void => {
    if (event === "connected") connectedAt.set(id, Date.now());
    if (fields["code"] === "rate-limited") turnedAway += 1;
    const error = fields["error"] instanceof Error ? fields["error"].message : undefined;
    lines?.write(`${JSON.stringify({ t: Date.now(), id, m: event, ...fields, error })}\n`);
  };
  return { info: say, warn: say, error: say };
}
const lookEvery = 200;
const atOnce = 4;
