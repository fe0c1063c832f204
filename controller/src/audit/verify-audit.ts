import type { AuditRecord } from "../records.ts";
import type { Store } from "../store-port.ts";
import type { AuditCheckpoint } from "./checkpoint.ts";
import { beforeFirstHash, entryHash } from "./entry-hash.ts";

/**
 * What is wrong with the first bad entry:
 * - `gap`: the entry of this sequence is missing
 * - `reordered`: it does not follow the entry before it, so one of the two was moved, replaced or rewritten
 * - `altered`: its content is not what its hash was made of
 * - `truncated`: the chain ends before this sequence, which a checkpoint has seen
 * - `rewritten`: the chain is whole, but not the one a checkpoint has seen
 */
export type AuditFault = "gap" | "reordered" | "altered" | "truncated" | "rewritten";

/** The verdict on an audit chain. */
export interface AuditVerdict {
  readonly ok: boolean;
  /** How many entries were found good, from the first. */
  readonly entries: number;
  readonly firstBad: { readonly sequence: number; readonly why: AuditFault } | undefined;
}

/**
 * Verifies the audit chain from its beginning up to the entry that is the last when it starts, page by page, so that the
 * store stays usable, and against checkpoints that were exported before (already verified themselves).
 */
export async function verifyAudit(
  store: Store,
  options: { readonly checkpoints?: readonly AuditCheckpoint[]; readonly pageSize?: number } = {},
): Promise<AuditVerdict> {
  const { checkpoints = [], pageSize = 500 } = options;
  const seen = Map.groupBy(checkpoints, ({ sequence }) => sequence);
  const end = await store.transaction(async (tx) => (await tx.audit.last())?.sequence ?? 0);
  let previous = { sequence: 0, hash: beforeFirstHash };
  while (previous.sequence < end) {
    const from = previous.sequence + 1;
    const page = await store.transaction((tx) => tx.audit.list(from, pageSize));
    if (page.length === 0) return bad(previous.sequence, from, "gap");
    for (const entry of page) {
      const fault = faultOf(entry, previous) ?? checkpointFault(entry, seen.get(entry.sequence));
      if (fault === "gap") return bad(previous.sequence, previous.sequence + 1, fault);
      if (fault !== undefined) return bad(previous.sequence, entry.sequence, fault);
      previous = entry;
    }
  }
  const farthest = Math.max(0, ...seen.keys());
  if (farthest > previous.sequence) return bad(previous.sequence, previous.sequence + 1, "truncated");
  return { ok: true, entries: previous.sequence, firstBad: undefined };
}

function faultOf(entry: AuditRecord, previous: { readonly sequence: number; readonly hash: string }) {
  if (entry.sequence !== previous.sequence + 1) return "gap";
  if (entry.previousHash !== previous.hash) return "reordered";
  return entry.hash === entryHash(entry) ? undefined : "altered";
}

function checkpointFault({ hash }: AuditRecord, seen: readonly AuditCheckpoint[] = []) {
  return seen.every((checkpoint) => checkpoint.hash === hash) ? undefined : "rewritten";
}

function bad(entries: number, sequence: number, why: AuditFault): AuditVerdict {
  return { ok: false, entries, firstBad: { sequence, why } };
}
