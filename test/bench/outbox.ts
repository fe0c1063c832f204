import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BodyOf, encodeBodyAtRest } from "@fleetcert/proto";
import { Level } from "level";
import { openLevelStore } from "../../agent/src/adapters/disk/level-store.ts";
import { Outbox } from "../../agent/src/outbox/outbox.ts";
import { median } from "./measure.ts";
import type { Row } from "./run.ts";

/**
 * Store-and-forward of the agent: security events put into its outbox and taken out of it again, one after the other, each
 * durable when it resolves; against bare puts and deletes of the same octets, with the same sync, in a level database of its own.
 */
export async function bench(): Promise<Row[]> {
  const directory = await mkdtemp(join(tmpdir(), "fleetcert-bench-"));
  const state = await openLevelStore(join(directory, "state"));
  const bare = new Level<string, Uint8Array>(join(directory, "bare"), { valueEncoding: "view" });
  await bare.open();
  const outbox = await Outbox.open({ state, log: { info: silent, warn: silent, error: silent } });
  const value = encodeBodyAtRest(anEvent(0));
  const steps = {
    barePut: (count: number) => bare.put(`outbox/${count}`, value, { sync: true }),
    bareDelete: (count: number) => bare.del(`outbox/${count}`, { sync: true }),
    put: (count: number) => outbox.enqueue(anEvent(count)),
    drain: async () => {
      const entry = outbox.take("event", new Set());
      if (entry !== undefined) await outbox.received(entry);
    },
  };
  try {
    const times = { barePut: [] as number[], bareDelete: [] as number[], put: [] as number[], drain: [] as number[] };
    // The first round warms up; in each, all take turns, so that other load on the machine falls on all alike.
    for (let round = 0; round <= 7; round += 1) {
      for (const name of ["barePut", "put", "bareDelete", "drain"] as const) {
        const took = await timeOf(steps[name]);
        if (round > 0) times[name].push(took);
      }
    }
    const [barePut, bareDelete] = [median(times.barePut), median(times.bareDelete)];
    const [put, drain] = [median(times.put), median(times.drain)];
    const of = { put: "bare synced put", delete: "bare synced delete" };
    return [
      { name: `level: ${of.put}`, value: perSecond(barePut), unit: "1/s" },
      { name: "outbox: put", value: perSecond(put), unit: "1/s", ratio: barePut / put, of: of.put },
      { name: `level: ${of.delete}`, value: perSecond(bareDelete), unit: "1/s" },
      { name: "outbox: drain", value: perSecond(drain), unit: "1/s", ratio: bareDelete / drain, of: of.delete },
    ];
  } finally {
    await bare.close();
    await state.close();
    await rm(directory, { recursive: true });
  }
}

async function timeOf(step: (count: number) => Promise<void>): Promise<number> {
  const start = performance.now();
  for (let count = 0; count < turns; count += 1) await step(count);
  return performance.now() - start;
}

/** Events of a name with details of their own: equal ones would be counted in one entry. */
function anEvent(count: number): BodyOf<"event"> {
  return {
    type: "event",
    name: "revocation-rollback",
    at: count,
    details: { issuer: "ab".repeat(32), epoch: `${count}` },
  };
}

const perSecond = (milliseconds: number): number => (turns / milliseconds) * 1_000;
const silent = (): void => undefined;
/** Below the bound of the outbox. */
const turns = 400;
