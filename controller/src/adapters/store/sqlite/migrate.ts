import type { DatabaseSync } from "node:sqlite";
import { FleetError } from "@fleetcert/shared";
import { firstSchema } from "./migrations/0001-first-schema.ts";
import { approval } from "./migrations/0003-approval.ts";
import { attested } from "./migrations/0004-attested.ts";
import { waves } from "./migrations/0005-waves.ts";
import { courier } from "./migrations/0006-courier.ts";
import { crlStandards } from "./migrations/0007-crl-standards.ts";
import { wayback } from "./migrations/0008-wayback.ts";
import { scale } from "./migrations/0009-scale.ts";
import { slots } from "./migrations/0011-slots.ts";
import { claimKeys } from "./migrations/0014-claim-keys.ts";

/** One step of the schema. Steps are only added, never changed; there is no way back but a backup. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

/** All steps, in order; numbers are given out when work begins, so one may be missing. */
export const migrations: readonly Migration[] = [
  { version: 1, name: "first-schema", sql: firstSchema },
  { version: 3, name: "approval", sql: approval },
  { version: 4, name: "attested", sql: attested },
  { version: 5, name: "waves", sql: waves },
  { version: 6, name: "courier", sql: courier },
  { version: 7, name: "crl-standards", sql: crlStandards },
  { version: 8, name: "wayback", sql: wayback },
  { version: 9, name: "scale", sql: scale },
  { version: 11, name: "slots", sql: slots },
  { version: 14, name: "claim-keys", sql: claimKeys },
];

/**
 * Brings a database to the newest schema, all missing steps in one transaction, each recorded. Takes the write lock, also
 * when nothing is missing. Throws `data-directory` when the file is not ours or was written by a newer controller.
 */
export function migrate(database: DatabaseSync, steps: readonly Migration[], now: number): void {
  database.exec("begin immediate");
  try {
    checkOwner(database);
    const done = appliedVersions(database);
    const present = Math.max(0, ...done);
    const newest = steps.at(-1)?.version ?? 0;
    if (present > newest) {
      throw new FleetError("data-directory", `the store has schema ${present}, this controller knows up to ${newest}`, {
        hint: "start the newer controller again, or restore the backup made before the upgrade",
      });
    }
    for (const step of steps.filter(({ version }) => !done.has(version))) apply(database, step, now);
    database.exec("commit");
  } catch (error) {
    if (database.isTransaction) database.exec("rollback");
    throw error;
  }
}

function apply(database: DatabaseSync, { version, name, sql }: Migration, now: number): void {
  database.exec(sql);
  database.prepare("insert into migrations (version, name, applied_at) values (?, ?, ?)").run(version, name, now);
}

function appliedVersions(database: DatabaseSync): ReadonlySet<number> {
  database.exec(
    "create table if not exists migrations (version integer primary key, name text not null, applied_at integer not null) strict",
  );
  const rows = database.prepare("select version from migrations").all();
  return new Set(rows.map((row) => Number(row["version"])));
}

function checkOwner(database: DatabaseSync): void {
  const id = Number(database.prepare("pragma application_id").get()?.["application_id"]);
  if (id === applicationId) return;
  const tables = Number(database.prepare("select count(*) as count from sqlite_schema").get()?.["count"]);
  if (id !== 0 || tables !== 0) {
    throw new FleetError("data-directory", "the file is a database of another program", {
      hint: "name the data directory that fleetcert init made",
    });
  }
  database.exec(`pragma application_id = ${applicationId}`);
}

/** "flct" in ASCII; shown by file(1). */
const applicationId = 0x66_6c_63_74;
