import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "@fleetcert/shared";
import { openSqliteStore } from "../../controller/src/adapters/store/sqlite/open-store.ts";
import { aWorld, startTestController, type TestController } from "../support/controller/controller.ts";
import type { Row } from "./run.ts";
import { timed } from "./timed.ts";

/**
 * A million revoked certificates of one shard through the real publication: rows of the store to the signed list, its snapshot
 * and the outbox; first all at once, then one more. Peak memory is what the process took at most above what it had before.
 */
export async function bench(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "fleetcert-bench-"));
  const store = await openSqliteStore({ path: join(folder, "store.db") });
  try {
    const controller = await startTestController({ world: { ...(await aWorld()), store }, publish: false });
    await fill(controller);
    const before = process.memoryUsage().rss;
    const first = await timed(() => controller.revocation.publish());
    const firstPeak = process.resourceUsage().maxRSS * 1024 - before;
    const { issuer } = controller.revocation;
    controller.world.clock.advance(60_000);
    const now = controller.world.clock.now();
    await controller.store.transaction((tx) => tx.revocations.put(revocation(issuer, { now, index: revoked * 2 - 1 })));
    const second = await timed(() => controller.revocation.publish());
    const peak = process.resourceUsage().maxRSS * 1024 - before;
    const list = await controller.revocation.crlOf(issuer, 1);
    const length = list?.der.length ?? 0;
    const of = "the list of a million";
    return [
      { name: of, value: length / 2 ** 20, unit: "MiB" },
      { name: "revocation-publish-1m, all", value: first.ms, unit: "ms" },
      { name: "revocation-publish-1m, all, thread", value: first.cpuMs, unit: "ms CPU" },
      { name: "revocation-publish-1m, all, stall", value: first.stallMs, unit: "ms" },
      {
        name: "revocation-publish-1m, all, memory",
        value: firstPeak / 2 ** 20,
        unit: "MiB",
        ratio: firstPeak / length,
        of,
      },
      { name: "revocation-publish-1m, one more", value: second.ms, unit: "ms" },
      { name: "revocation-publish-1m, one, thread", value: second.cpuMs, unit: "ms CPU" },
      { name: "revocation-publish-1m, one, stall", value: second.stallMs, unit: "ms" },
      { name: "revocation-publish-1m, memory", value: peak / 2 ** 20, unit: "MiB", ratio: peak / length, of },
    ];
  } finally {
    await store.close();
    await rm(folder, { recursive: true });
  }
}

async function fill(controller: TestController): Promise<void> {
  const { issuer } = controller.revocation;
  const now = controller.world.clock.now();
  const size = revoked * 2;
  const row = { issuer, shard: 1, notAfterFrom: now, notAfterTo: now + month, nextIndex: size, coveredTo: size };
  await controller.store.transaction((tx) => tx.shards.put(row));
  for (let from = 0; from < revoked; from += 20_000) {
    await controller.store.transaction(async (tx) => {
      for (let at = from; at < from + 20_000; at++)
        await tx.revocations.put(revocation(issuer, { now, index: at * 2 }));
    });
  }
}

function revocation(issuer: string, { now, index }: { readonly now: number; readonly index: number }) {
  const random = Buffer.from(sha256(Uint8Array.of(index, index >> 8, index >> 16)).subarray(0, 13)).toString("hex");
  const serial = `010001${index.toString(16).padStart(8, "0")}${random}`;
  const revokedAt = now - index * 977;
  return { issuer, serial, shard: 1, index, reason: "superseded", revokedAt, notAfter: now + month, epoch: 0 };
}

const month = 30 * 86_400_000;
const revoked = 1_000_000;
