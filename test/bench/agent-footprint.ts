import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { end, openAgentBed, startUntilConnected } from "./agent-bed.ts";
import { median } from "./measure.ts";
import type { Row } from "./run.ts";

/**
 * Resident memory of the bundled agent with its key on SoftHSM2, connected by mutual TLS to a controller of its own and idle
 * for a minute (FLEETCERT_BENCH_IDLE seconds), against a Node of the same version that does nothing for as long. The goal is
 * at most 1.5. Each figure is the median of seven looks in the last seven seconds.
 */
export async function bench(): Promise<Row[]> {
  const bed = await openAgentBed();
  try {
    const bare = spawn(process.execPath, ["-e", "setInterval(() => undefined, 1e9)"], { stdio: "ignore" });
    const token = await startUntilConnected(bed.program, await bed.enrol("token", "pkcs11"));
    const software = await startUntilConnected(bed.program, await bed.enrol("software", "software"));
    const children = [bare, token, software];
    await sleep(Math.max(0, idleSeconds - looks) * 1000);
    const seen = children.map((): number[] => []);
    for (let look = 0; look < looks; look++) {
      await sleep(1000);
      for (const [index, child] of children.entries()) seen[index]?.push(residentMegabytes(child));
    }
    await Promise.all(children.map(end));
    const [idle = 0, ...agents] = seen.map(median);
    const of = `idle Node ${process.version}`;
    const names = ["agent-footprint, key on SoftHSM2", "agent-footprint, key in memory"];
    return [
      { name: of, value: idle, unit: "MB" },
      ...agents.map((value, index) => ({ name: names[index] ?? "", value, unit: "MB", ratio: value / idle, of })),
    ];
  } finally {
    await bed.close();
  }
}

/** Of a process that runs; `ps` counts in KiB. */
function residentMegabytes({ pid }: ChildProcess): number {
  return (Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) * 1024) / 1e6;
}

const idleSeconds = Number(process.env["FLEETCERT_BENCH_IDLE"] ?? 60);
const looks = 7;
