import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteStore } from "../../controller/src/adapters/store/sqlite/open-store.ts";
import { aCertificate, anIntent } from "../contracts/store-records.ts";
import { medianOf7 } from "./measure.ts";
import type { Row } from "./run.ts";

/** One durable transaction of the SQLite store, small and as of an issuance, against one write and fdatasync of a page. */
export async function bench(): Promise<Row[]> {
  const directory = await mkdtemp(join(tmpdir(), "fleetcert-bench-"));
  const store = await openSqliteStore({ path: join(directory, "store.db") });
  const file = openSync(join(directory, "pages"), "w");
  const page = new Uint8Array(4096);
  // As in the log, which is overwritten from its beginning after each checkpoint, the file does not grow.
  writeSync(file, new Uint8Array(turns * page.length));
  let number = 0;
  try {
    const sync = await medianOf7(() => {
      for (let count = 0; count < turns; count += 1) {
        writeSync(file, page, 0, page.length, count * page.length);
        fdatasyncSync(file);
      }
    });
    const put = await medianOf7(async () => {
      for (let count = 0; count < turns; count += 1) await store.transaction((tx) => tx.settings.put("a", `${count}`));
    });
    const issue = await medianOf7(async () => {
      for (let count = 0; count < turns; count += 1) {
        number += 1;
        await store.transaction(async (tx) => {
          await tx.devices.find("edge-1");
          await tx.certificates.listOf(`edge-${number}`, "identity");
          await tx.certificates.put(aCertificate(number, { device: `edge-${number}`, der: new Uint8Array(600) }));
          await tx.intents.put(anIntent({ tbsSha256: `${number % 100}`, state: "issued" }));
          await tx.outbox.enqueue({ topic: "down", payload: new Uint8Array(900), retain: false });
        });
      }
    });
    const of = "write and fdatasync of 4 KiB";
    return [
      { name: of, value: (sync / turns) * 1_000, unit: "µs" },
      { name: "store-commit: one row", value: (put / turns) * 1_000, unit: "µs", ratio: put / sync, of },
      { name: "store-commit: an issuance", value: (issue / turns) * 1_000, unit: "µs", ratio: issue / sync, of },
    ];
  } finally {
    closeSync(file);
    await store.close();
    await rm(directory, { recursive: true });
  }
}

const turns = 300;
