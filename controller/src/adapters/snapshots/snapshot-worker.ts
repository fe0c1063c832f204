import { parentPort } from "node:worker_threads";
import { nextSnapshots } from "../../revocation/shard-snapshots.ts";

/** Makes snapshots for {@link openSnapshotThread}, one after the other. Runs in a thread of its own. */
parentPort?.on("message", ({ id, before, present }: SnapshotTask) => {
  try {
    parentPort?.postMessage({ id, made: nextSnapshots(before, present) } satisfies SnapshotResult);
  } catch (error) {
    parentPort?.postMessage({ id, failure: String(error) } satisfies SnapshotResult);
  }
});

/** One snapshot to be made. */
export interface SnapshotTask {
  readonly id: number;
  readonly before: Parameters<typeof nextSnapshots>[0];
  readonly present: Parameters<typeof nextSnapshots>[1];
}

/** What came of it. */
export type SnapshotResult =
  | { readonly id: number; readonly made: ReturnType<typeof nextSnapshots> }
  | { readonly id: number; readonly failure: string };
