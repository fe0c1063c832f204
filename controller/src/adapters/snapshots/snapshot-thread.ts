import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { FleetError } from "@fleetcert/shared";
import { nextSnapshots, type SnapshotMaker } from "../../revocation/shard-snapshots.ts";
import type { SnapshotResult, SnapshotTask } from "./snapshot-worker.ts";

/**
 * Makes snapshots beside the event loop: those of a million indices take a tenth of a second, in which no device would be
 * answered. Small ones are made at once, for the way to the thread costs more. The thread starts when it is first needed,
 * keeps no process alive, and is started anew after it has failed.
 */
export function openSnapshotThread(): SnapshotMaker {
  let worker: Worker | undefined;
  let count = 0;
  const waiting = new Map<number, PromiseWithResolvers<ReturnType<typeof nextSnapshots>>>();

  function ended(error: unknown): void {
    worker = undefined;
    const cause = new FleetError("internal", "the thread that makes snapshots has ended", {
      cause: error,
      retry: true,
    });
    for (const { reject } of waiting.values()) reject(cause);
    waiting.clear();
  }

  function start(file: URL): Worker {
    const started = new Worker(file);
    started.unref();
    started.on("message", (result: SnapshotResult) => {
      const asked = waiting.get(result.id);
      waiting.delete(result.id);
      if ("made" in result) asked?.resolve(result.made);
      else asked?.reject(new FleetError("internal", `a snapshot could not be made: ${result.failure}`));
    });
    started.on("error", ended);
    started.on("exit", ended);
    return started;
  }

  return {
    async next(before, present) {
      const file = isLarge(present) ? workerFile() : undefined;
      if (file === undefined) return nextSnapshots(before, present);
      worker ??= start(file);
      const asked = Promise.withResolvers<ReturnType<typeof nextSnapshots>>();
      count += 1;
      waiting.set(count, asked);
      // While something is awaited the process may not end.
      worker.ref();
      worker.postMessage({ id: count, before, present } satisfies SnapshotTask);
      try {
        return await asked.promise;
      } finally {
        if (waiting.size === 0) worker?.unref();
      }
    },
  };
}

/** Below this a snapshot takes under five milliseconds. */
function isLarge({ shard, list }: Parameters<SnapshotMaker["next"]>[1]): boolean {
  return list.entryCount > 500 || shard.coveredTo > 1 << 17;
}

/** Beside the sources in a checkout, beside the bundle in a release; without it snapshots are made here. */
function workerFile(): URL | undefined {
  const names = ["./snapshot-worker.ts", "./snapshot-worker.mjs"];
  return names.map((name) => new URL(name, import.meta.url)).find((place) => existsSync(place));
}
