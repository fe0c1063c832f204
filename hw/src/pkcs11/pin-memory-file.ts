import { pbkdf2Sync, randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { Secret } from "@fleetcert/shared";
import type { PinMemory, PinRecord } from "./pin-memory.ts";

/**
 * A memory of refused PINs in a file of mode 0600, so that a restart does not try them again.
 *
 * PINs stand in it as PBKDF2 hashes under a random key of the file. A file that is absent or cannot be understood is begun anew:
 * what the token itself counts still guards its last try. `put` throws what the file system throws.
 */
export function openPinMemoryFile(path: string): PinMemory {
  const empty: Content = { key: randomBytes(32).toString("base64"), tokens: {} };
  // Read anew each time: another process of the same data directory may have learnt something.
  const read = (): Content => readContent(path) ?? empty;
  return {
    markOf: (pin) => markUnder(read().key, pin),
    find: (token) => new Map(Object.entries(read().tokens)).get(token),
    put(token, record) {
      const { key, tokens } = read();
      const others = Object.entries(tokens).filter(([name]) => name !== token);
      const kept = Object.fromEntries([...others, [token, record] as const].slice(-maxTokens));
      writeDurably(path, JSON.stringify({ key, tokens: kept }));
    },
  };
}

function markUnder(key: string, pin: Secret): string {
  return pbkdf2Sync(pin.reveal(), Buffer.from(key, "base64"), iterations, 32, "sha256").toString("hex");
}

interface Content {
  readonly key: string;
  readonly tokens: Readonly<Record<string, PinRecord>>;
}

function readContent(path: string): Content | undefined {
  try {
    const content: unknown = JSON.parse(readFileSync(path, "utf8"));
    return isContent(content) ? content : undefined;
  } catch {
    return undefined;
  }
}

function isContent(value: unknown): value is Content {
  const { key, tokens } = (value ?? {}) as Partial<Content>;
  if (typeof key !== "string" || Buffer.from(key, "base64").length !== 32) return false;
  return typeof tokens === "object" && tokens !== null && Object.values(tokens).every(isRecord);
}

function isRecord(value: unknown): value is PinRecord {
  const { refused, inARow, presented } = (value ?? {}) as Partial<PinRecord>;
  const isMark = (mark: unknown): boolean => typeof mark === "string";
  const areMarks = Array.isArray(refused) && refused.every(isMark) && (presented === undefined || isMark(presented));
  return areMarks && Number.isSafeInteger(inARow);
}

/** Synchronous, because TLS may need a login and cannot wait. */
function writeDurably(path: string, text: string): void {
  const aside = `${path}.new`;
  const file = openSync(aside, "w", 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(aside, path);
  const directory = openSync(dirname(path), "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** About 10 ms: PINs are short, and the file may be copied. Not scrypt, whose memory an agent would keep for months. */
const iterations = 20_000;
const maxTokens = 64;
