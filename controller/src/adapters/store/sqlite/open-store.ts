import { constants } from "node:fs";
import { chmod, link, open, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { FleetError } from "@fleetcert/shared";
import type { Store } from "../../../store-port.ts";
import { TransactionQueue } from "../transaction-queue.ts";
import { type Migration, migrate, migrations } from "./migrate.ts";
import { Connection } from "./session.ts";
import { toStoreError } from "./sqlite-error.ts";
import { transactionTables } from "./transaction-tables.ts";

/** Where the store is, and in tests which schema. */
export interface SqliteStoreOptions {
  readonly path: string;
  /** `never` refuses an absent file with `data-directory`, so that a lost store is not taken for a new one. */
  readonly create?: "if-absent" | "never";
  readonly migrations?: readonly Migration[];
}

/**
 * Opens the store in a SQLite file (mode 0600), which is made when absent and brought to the newest schema.
 *
 * A transaction is durable when it resolves (WAL, synchronous=FULL: one fdatasync). The file is locked for this process as
 * long as it is open; the lock ends with the process however that ends. Throws `data-directory` (path, rights, newer
 * schema), `conflict` (open in another process), `store-corrupt` (damaged), `store-failed` (the medium).
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { path, create = "if-absent", migrations: steps = migrations } = options;
  if (!(await isPresent(path))) await makeFile({ path, create, steps });
  await restrictMode(path);
  const connection = new Connection(openDatabase(path, steps), path);
  const queue = new TransactionQueue();
  return {
    async transaction(work) {
      const outcome = await queue.run((turn) =>
        connection.transact(turn, (session) => work(transactionTables(session))),
      );
      return await outcome.durable;
    },
    async close() {
      await queue.close();
      connection.close();
    },
  };
}

async function isPresent(path: string): Promise<boolean> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw unusable(path, error);
  });
  if (found === undefined) return false;
  if (!found.isFile()) throw new FleetError("data-directory", `${path} is not a file`);
  // SQLite takes an empty file for a new database; ours are complete before they get their name.
  if (found.size === 0) {
    throw new FleetError("store-corrupt", `${path} is empty`, {
      hint: "restore the last backup of the data directory",
    });
  }
  return true;
}

/** The file gets its name only when its schema is complete and on disk, so that a crash leaves none or a whole one. */
async function makeFile({ path, create, steps }: { path: string; create: string; steps: readonly Migration[] }) {
  if (create === "never") {
    throw new FleetError("data-directory", `${path} does not exist`, {
      hint: "run fleetcert init, name another data directory, or restore the backup",
    });
  }
  const draft = `${path}.${process.pid}.new`;
  try {
    await rm(draft, { force: true });
    await (await open(draft, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600)).close();
    openDatabase(draft, steps).close();
    await sync(draft);
    await link(draft, path);
    await sync(dirname(path));
  } catch (error) {
    // Another process was faster; opening its file says so.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw unusable(path, error);
  } finally {
    await rm(draft, { force: true });
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, "r");
  await file.sync().finally(() => file.close());
}

async function restrictMode(path: string): Promise<void> {
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) await chmod(path, 0o600).catch((error) => Promise.reject(unusable(path, error)));
}

function openDatabase(path: string, steps: readonly Migration[]): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: busyTimeout, enableForeignKeyConstraints: true });
    // The lock of the exclusive mode is one of the kernel on the open file: it cannot outlive the process.
    database.exec("pragma locking_mode = exclusive; pragma synchronous = full; pragma trusted_schema = off");
    const { journal_mode: journalMode } = database.prepare("pragma journal_mode = wal").get() ?? {};
    if (journalMode !== "wal") throw new FleetError("store-failed", `${path}: no write-ahead log is possible here`);
    database.exec(`pragma journal_size_limit = ${maxLogBytes}; pragma temp_store = memory`);
    migrate(database, steps, Date.now());
    checkPages(database, path);
    return database;
  } catch (error) {
    database?.close();
    throw toStoreError(error, path);
  }
}

/** Reads the whole file while that takes less than a second (2 ms for a MiB); damage in larger ones shows when it is met. */
function checkPages(database: DatabaseSync, path: string): void {
  const { bytes } =
    database.prepare("select page_count * page_size as bytes from pragma_page_count, pragma_page_size").get() ?? {};
  if (Number(bytes) > maxCheckedBytes) return;
  const { quick_check: verdict } = database.prepare("pragma quick_check(1)").get() ?? {};
  if (verdict === "ok") return;
  throw new FleetError("store-corrupt", `${path}: ${verdict}`, {
    hint: "keep the damaged file, and restore the last backup of the data directory",
  });
}

function unusable(path: string, error: unknown): FleetError {
  if (error instanceof FleetError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new FleetError("data-directory", `${path} cannot be used: ${code ?? message}`, {
    hint: "the directory must exist and belong to the controller's user",
    cause: error,
  });
}

/** Waiting blocks the event loop; it only covers another process that is just closing. */
const busyTimeout = 200;
const maxLogBytes = 64 * 2 ** 20;
const maxCheckedBytes = 256 * 2 ** 20;
