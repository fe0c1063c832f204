import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { end, openAgentBed, startUntilConnected } from "./agent-bed.ts";
import { median } from "./measure.ts";
import type { Row } from "./run.ts";

/**
 * What the bundled agent costs a device while it is connected and nothing happens: resident memory (median and highest of a look a
 * second) and processor time. A minute, ten with FLEETCERT_LONG=1; the first ten seconds, in which it starts, are not counted.
 */
export async function bench(): Promise<Row[]> {
  const bed = await openAgentBed();
  try {
    const agent = await startUntilConnected(bed.program, await bed.enrol("idle-1", "software"));
    await sleep(settle);
    const pid = agent.pid ?? 0;
    const before = await processorMs(pid);
    const resident: number[] = [];
    for (let second = 0; second < seconds; second += 1) {
      await sleep(1000);
      resident.push(await residentMegabytes(pid));
    }
    const used = (await processorMs(pid)) - before;
    await end(agent);
    return [
      { name: `agent-idle ${seconds} s, resident`, value: median(resident), unit: "MB" },
      { name: `agent-idle ${seconds} s, resident at most`, value: Math.max(...resident), unit: "MB" },
      { name: `agent-idle ${seconds} s, processor`, value: (used / seconds) * 60, unit: "ms a minute" },
    ];
  } finally {
    await bed.close();
  }
}

/** User and system time of a process so far, from /proc (proc(5): fields 14 and 15, in hundredths of a second). */
async function processorMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function residentMegabytes(pid: number): Promise<number> {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1];
  return (Number(kib) * 1024) / 1e6;
}

const seconds = process.env["FLEETCERT_LONG"] === "1" ? 600 : 60;
const settle = 10_000;
