import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "@fleetcert/shared";
import { openSqliteStore } from "../../controller/src/adapters/store/sqlite/open-store.ts";
import { aWorld, startTestController, type TestController } from "../support/controller/controller.ts";
import { median } from "./measure.ts";
import type { Row } from "./run.ts";
import { timed } from "./timed.ts";

/**
 * From one more revocation to the head in the outbox, where 120,000 are revoked in twelve shards of a hundred thousand issued
 * each, and the longest time in which the event loop served nobody meanwhile. Against a refresh of every list.
 */
export async function bench(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "fleetcert-bench-"));
  const store = await openSqliteStore({ path: join(folder, "store.db") });
  try {
    const controller = await startTestController({ world: { ...(await aWorld()), store }, publish: false });
    await fill(controller);
    await controller.revocation.publish();
    const refresh = await timed(() => controller.revocation.publish({ refreshAll: true }));
    const runs: { readonly ms: number; readonly stallMs: number }[] = [];
    for (let run = 0; run < 9; run++) {
      controller.world.clock.advance(60_000);
      await revokeOne(controller, run);
      runs.push(await timed(() => controller.revocation.publish()));
    }
    const ms = median(runs.slice(2).map((run) => run.ms));
    const of = "a refresh of every list";
    return [
      { name: of, value: refresh.ms, unit: "ms" },
      { name: "revocation-publish, one of 120k", value: ms, unit: "ms", ratio: ms / refresh.ms, of },
      { name: "revocation-publish, longest stall", value: median(runs.slice(2).map((run) => run.stallMs)), unit: "ms" },
    ];
  } finally {
    await store.close();
    await rm(folder, { recursive: true });
  }
}

async function fill(controller: TestController): Promise<void> {
  const { issuer } = controller.revocation;
  const now = controller.world.clock.now();
  for (let shard = 0; shard < shards; shard++) {
    const notAfterTo = now + (shard + 1) * month;
    const row = {
      issuer,
      shard,
      notAfterFrom: notAfterTo - month,
      notAfterTo,
      nextIndex: perShard,
      coveredTo: perShard,
    };
    await controller.store.transaction(async (tx) => {
      await tx.shards.put(row);
      for (let at = 0; at < revokedPerShard; at++) await tx.revocations.put(revocation(controller, shard, at * 10));
    });
  }
}

const revokeOne = (controller: TestController, run: number): Promise<void> =>
  controller.store.transaction((tx) => tx.revocations.put(revocation(controller, 3, run * 10 + 5)));

function revocation(controller: TestController, shard: number, index: number) {
  const now = controller.world.clock.now();
  const random = Buffer.from(sha256(Uint8Array.of(shard, index, index >> 8, index >> 16)).subarray(0, 13)).toString(
    "hex",
  );
  const hex = (value: number, octets: number) => value.toString(16).padStart(octets * 2, "0");
  const serial = `01${hex(shard, 2)}${hex(index, 4)}${random}`;
  const issuer = controller.revocation.issuer;
  return { issuer, serial, shard, index, reason: "superseded", revokedAt: now, notAfter: now + month, epoch: 0 };
}

const month = 30 * 86_400_000;
const shards = 12;
const perShard = 100_000;
const revokedPerShard = 10_000;
