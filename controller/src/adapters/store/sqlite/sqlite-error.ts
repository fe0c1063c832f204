import { FleetError } from "@fleetcert/shared";

/** An error of node:sqlite (or of the file system) as the error of ours that says what it means for the store at `path`. */
export function toStoreError(error: unknown, path: string): FleetError {
  if (error instanceof FleetError) return error;
  const code = resultCode(error);
  const meaning = code === undefined ? undefined : (meanings[code] ?? meanings[code & 0xff]);
  if (meaning === undefined) return new FleetError("store-failed", `${path}: ${textOf(error)}`, { cause: error });
  const { kind, what, hint, retry } = meaning;
  return new FleetError(kind, `${path}: ${what}`, { ...(hint && { hint }), ...(retry && { retry }), cause: error });
}

/** Whether nothing of the medium failed: the statement alone was refused and the transaction may go on. */
export function isRefusedStatement(error: FleetError): boolean {
  return error.code === "already-exists" || error.code === "internal" || error.code === "request-invalid";
}

function resultCode(error: unknown): number | undefined {
  const { errcode } = (error ?? {}) as { errcode?: unknown };
  return typeof errcode === "number" ? errcode : undefined;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

interface Meaning {
  readonly kind: "store-failed" | "store-corrupt" | "conflict" | "already-exists" | "internal";
  readonly what: string;
  readonly hint?: string;
  readonly retry?: boolean;
}

const restore = "stop the controller, keep the damaged file, and restore the last backup of the data directory";
const inUse: Meaning = {
  kind: "conflict",
  what: "another process has the store open",
  hint: "stop the other fleetcert serve of this data directory first, or use its admin socket",
};
const corrupt: Meaning = { kind: "store-corrupt", what: "the database is damaged", hint: restore };
const taken: Meaning = { kind: "already-exists", what: "a row with the same unique value exists already" };

/** By result code of SQLite (https://sqlite.org/rescode.html), extended ones first. */
const meanings: Readonly<Record<number, Meaning>> = {
  5: inUse,
  6: inUse,
  8: { kind: "store-failed", what: "the store is read-only", hint: "give the controller's user the right to write" },
  10: { kind: "store-failed", what: "the disk reported an error", hint: "check the disk and the system log" },
  11: corrupt,
  13: {
    kind: "store-failed",
    what: "the disk is full",
    hint: "free space on the disk of the data directory",
    retry: true,
  },
  14: { kind: "store-failed", what: "the store cannot be opened", hint: "check the directory and its rights" },
  19: { kind: "internal", what: "a row breaks a rule of its table" },
  26: { kind: "store-corrupt", what: "the file is not a database", hint: restore },
  1555: taken,
  2067: taken,
};
