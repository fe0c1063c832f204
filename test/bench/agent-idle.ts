import { readdir, readFile } from "node:fs/promises";
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

/** Time on a processor so far, of every thread: schedstat counts nanoseconds, stat hundredths of a second, of which ten minutes take two. */
async function processorMs(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`);
  const times = await Promise.all(threads.map((id) => readFile(`/proc/${pid}/task/${id}/schedstat`, "utf8")));
  return times.reduce((sum, text) => sum + Number(text.split(" ")[0]), 0) / 1e6;
}

async function residentMegabytes(pid: number): Promise<number> {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1];
  return (Number(kib) * 1024) / 1e6;
}

const seconds = process.env["FLEETCERT_LONG"] === "1" ? 600 : 60;
const settle = 10_000;
