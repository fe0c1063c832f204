import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openSqliteStore } from "../../controller/src/adapters/store/sqlite/open-store.ts";
import { ageDistribution } from "../../controller/src/insight/age-distribution.ts";
import type { AgeCounter } from "../../controller/src/records.ts";
import { aCertificate, aDevice } from "../contracts/store-records.ts";
import { medianOf7 } from "./measure.ts";
import type { Row } from "./run.ts";

/**
 * The age histogram of 100,000 certificates from the counters kept with the rows, through the store, against one SQL query
 * that scans the rows of the same database; below 1 is faster.
 */
export async function bench(): Promise<Row[]> {
  const directory = await mkdtemp(join(tmpdir(), "fleetcert-bench-"));
  try {
    const path = join(directory, "store.db");
    await fill(path);
    const scan = await medianScan(path);
    const counters = await medianOfCounters(path);
    const of = "scan of 100,000 rows";
    return [
      { name: of, value: scan, unit: "ms" },
      { name: "age-histogram", value: counters, unit: "ms", ratio: counters / scan, of },
    ];
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function fill(path: string): Promise<void> {
  const store = await openSqliteStore({ path });
  for (let first = 0; first < rows; first += batch) {
    await store.transaction(async (tx) => {
      for (let number = first; number < first + batch; number += 1) {
        const device = `d${number % 50_000}`;
        if (number < 50_000) await tx.devices.put(aDevice({ id: device }));
        await tx.certificates.put(
          aCertificate(number, { device, der: new Uint8Array(600), issuedAt: now - (number % hours) * 3_600_000 }),
        );
      }
    });
  }
  await store.close();
}

async function medianScan(path: string): Promise<number> {
  const database = new DatabaseSync(path);
  const query = database.prepare(`
    select c.issued_at / 3600000 as hour, coalesce(d.site, '') as site, c.profile, c.issuer, count(*) as count
    from certificates c left join devices d on d.id = c.device
    where c.device <> '' and c.state in ('issued', 'proven') group by 1, 2, 3, 4`);
  const median = await medianOf7(() => ageDistribution(query.all() as unknown as AgeCounter[], now));
  database.close();
  return median;
}

async function medianOfCounters(path: string): Promise<number> {
  const store = await openSqliteStore({ path });
  const median = await medianOf7(async () => ageDistribution(await store.transaction((tx) => tx.ages.list()), now));
  await store.close();
  return median;
}

const rows = 100_000;
const batch = 1_000;
const now = 1_800_000_000_000;
/** Issuance is spread over 30 days: 720 counters. */
const hours = 720;
