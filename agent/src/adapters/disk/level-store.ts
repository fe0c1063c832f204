import { createHash } from "node:crypto";
import { chmod } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FleetError } from "@fleetcert/shared";
import { Level } from "level";
import type { StateChange, StateStore } from "../../ports.ts";
import { makeFolder } from "./make-folder.ts";

/** A {@link StateStore} that holds a directory until it is closed. */
export interface OpenStateStore extends StateStore {
  close(): Promise<void>;
}

/**
 * Opens the agent's durable memory in a directory, which is made when it is missing and is its owner's alone. Every value carries a
 * checksum of its own, because what guards the blocks below does not say which value is damaged.
 *
 * Throws `conflict` while another process holds it, `store-corrupt` when it is damaged, `data-directory` when it cannot be used.
 */
export async function openLevelStore(directory: string): Promise<OpenStateStore> {
  try {
    await makeFolder(dirname(directory));
    await makeFolder(directory);
    await chmod(directory, 0o700);
  } catch (cause) {
    throw new FleetError("data-directory", `${directory} cannot be used`, {
      cause,
      hint: "check who owns it and its mode",
    });
  }
  const level = new Level<string, Uint8Array>(directory, { keyEncoding: "utf8", valueEncoding: "view" });
  await openLocked(level, directory);
  return new LevelStore(level);
}

/** A command that looks at the state holds it for a moment; an agent holds it for good. */
async function openLocked(level: Level<string, Uint8Array>, directory: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await level.open();
      return;
    } catch (error) {
      if (causeCode(error) !== "LEVEL_LOCKED" || tries === lockTries) throw openError(error, directory);
      await sleep(lockPause);
    }
  }
}

class LevelStore implements OpenStateStore {
  readonly #level: Level<string, Uint8Array>;

  constructor(level: Level<string, Uint8Array>) {
    this.#level = level;
  }

  async read(key: string): Promise<Uint8Array | undefined> {
    const record = await this.#do("read", () => this.#level.get(key));
    return record === undefined ? undefined : openRecord(key, record);
  }

  async write(changes: readonly StateChange[]): Promise<void> {
    const operations = changes.map((change) =>
      "put" in change
        ? { type: "put" as const, key: change.put, value: sealRecord(change.put, change.value) }
        : { type: "del" as const, key: change.delete },
    );
    await this.#do("write", () => this.#level.batch(operations, { sync: true }));
  }

  async keys(prefix: string, limit: number): Promise<string[]> {
    const range = { gte: prefix, lt: `${prefix}\uffff`, limit };
    return this.#do("list", () => this.#level.keys(range).all());
  }

  async close(): Promise<void> {
    await this.#level.close();
  }

  async #do<T>(what: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (cause) {
      const code = causeCode(cause) === "LEVEL_CORRUPTION" ? "store-corrupt" : "store-failed";
      throw new FleetError(code, `the agent's state cannot be used (${what})`, { cause, hint: damageHint });
    }
  }
}

function sealRecord(key: string, value: Uint8Array): Uint8Array {
  return Buffer.concat([checksum(key, value), value]);
}

function openRecord(key: string, record: Uint8Array): Uint8Array {
  const value = new Uint8Array(record.subarray(checksumBytes));
  if (Buffer.compare(checksum(key, value), record.subarray(0, checksumBytes)) === 0) return value;
  throw new FleetError("store-corrupt", `the agent's state is damaged at ${key}`, { hint: damageHint });
}

function checksum(key: string, value: Uint8Array): Uint8Array {
  return createHash("sha256").update(key).update("\0").update(value).digest().subarray(0, checksumBytes);
}

function openError(error: unknown, directory: string): FleetError {
  switch (causeCode(error)) {
    case "LEVEL_LOCKED":
      return new FleetError("conflict", `another agent is running on ${directory}`, {
        cause: error,
        hint: "talk to it with `fleetcert-agent status`, or stop it first",
      });
    case "LEVEL_CORRUPTION":
      return new FleetError("store-corrupt", `the agent's state in ${directory} is damaged`, {
        cause: error,
        hint: damageHint,
      });
    default:
      return new FleetError("data-directory", `the agent's state in ${directory} cannot be opened`, {
        cause: error,
        hint: "check that the disk is not full and the directory belongs to the agent's user",
      });
  }
}

/** Level wraps what went wrong below it. */
function causeCode(error: unknown): unknown {
  if (!(error instanceof Error)) return undefined;
  const below = causeCode(error.cause);
  return below ?? ("code" in error ? error.code : undefined);
}

const checksumBytes = 16;
const lockTries = 20;
const lockPause = 100;
const damageHint = "keep a copy of the directory for analysis, restore it from a backup, or enrol the device again";
