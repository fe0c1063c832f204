import { sha256Hex } from "@fleetcert/shared";
import type { AuditRecord } from "../records.ts";

/** What an entry's hash covers: everything but the hash itself. */
export type UnhashedEntry = Omit<AuditRecord, "hash">;

/**
 * The hash of an audit entry, lower-case hex: SHA-256 of the UTF-8 text
 * `fleetcert-audit-1` LF `[sequence,at,actor,action,target,outcome,details,previousHash]`, the array as JSON without
 * white space, with text escaped as RFC 8785 (JSON canonicalization) says and `details` as the text that is stored. Any
 * language with such a JSON writer can verify the chain.
 */
export function entryHash(entry: UnhashedEntry): string {
  const { sequence, at, actor, action, target, outcome, details, previousHash } = entry;
  // JSON.stringify writes text and safe integers exactly as RFC 8785 §3.2.2 asks.
  const fields = JSON.stringify([sequence, at, actor, action, target, outcome, details, previousHash]);
  return sha256Hex(Buffer.from(`fleetcert-audit-1\n${fields}`, "utf8"));
}

/** The previous hash of the first entry. */
export const beforeFirstHash = "0".repeat(64);
