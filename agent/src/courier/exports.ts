import type { UpKind } from "@fleetcert/proto";
import { FleetError, type Instant } from "@fleetcert/shared";
import type { StateStore } from "../ports.ts";

/** One message of an export: what an answer to it is about. */
export interface ExportedMessage {
  readonly id: string;
  readonly kind: UpKind;
  /** Slot and generation of a renewal or proof. */
  readonly slot?: string;
  readonly generation?: number;
  /** Entry of the outbox that it told, and SHA-256 of what it told of it. */
  readonly entry?: string;
  readonly sha256?: string;
}

/** An export that may be answered. */
export interface ExportRecord {
  /** Of the manifest. */
  readonly id: string;
  /** Lower-case hex. */
  readonly nonce: string;
  readonly generation: number;
  readonly counter: number;
  readonly at: Instant;
  readonly messages: readonly ExportedMessage[];
  /** When its reply was applied; undefined while it waits. */
  readonly importedAt: Instant | undefined;
}

/** The last exports, oldest first. Throws `store-corrupt`. */
export async function readExports(state: StateStore): Promise<ExportRecord[]> {
  const bytes = await state.read(storeKey);
  if (bytes === undefined) return [];
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as ExportRecord[];
  } catch (cause) {
    throw new FleetError("store-corrupt", "the list of exported bundles cannot be read", { cause });
  }
}

/** Remembers an export, or what became of it; the oldest are forgotten. Durable when it resolves. */
export async function rememberExport(state: StateStore, record: ExportRecord): Promise<void> {
  const others = (await readExports(state)).filter(({ id }) => id !== record.id);
  const kept = [...others, record].sort((a, b) => a.counter - b.counter).slice(-keptExports);
  await state.write([{ put: storeKey, value: new TextEncoder().encode(JSON.stringify(kept)) }]);
}

const storeKey = "courier/exports";
/** Sticks that may be under way at the same time. */
const keptExports = 8;
