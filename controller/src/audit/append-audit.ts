import type { Instant } from "@fleetcert/shared";
import type { AuditRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import { beforeFirstHash, entryHash } from "./entry-hash.ts";
import type { auditEvents } from "./events.ts";
import { printableText } from "./printable-text.ts";

/** One of the events of events.ts. */
export type AuditEventName = keyof typeof auditEvents;

/** An act to be written down. Values come from anywhere; they are made printable and cut here. */
export interface AuditEvent {
  readonly at: Instant;
  /** `device:<id>`, `operator:<name>`, `local`, `controller`, or `unknown` for somebody who was not let in. */
  readonly actor: string;
  readonly action: AuditEventName;
  readonly target: string;
  readonly outcome: AuditRecord["outcome"];
  readonly details?: Readonly<Record<string, string>>;
}

/**
 * Appends an act to the audit chain, in the transaction of the act itself, so that neither exists without the other (I9).
 * Resolves with the entry as stored.
 */
export async function appendAudit(tx: Pick<Transaction, "audit">, event: AuditEvent): Promise<AuditRecord> {
  const last = await tx.audit.last();
  const entry = {
    sequence: (last?.sequence ?? 0) + 1,
    at: event.at,
    actor: printableText(event.actor, maxNameLength),
    action: event.action,
    target: printableText(event.target, maxNameLength),
    outcome: event.outcome,
    details: JSON.stringify(printableDetails(event.details ?? {})),
    previousHash: last?.hash ?? beforeFirstHash,
  };
  const record = { ...entry, hash: entryHash(entry) };
  await tx.audit.append(record);
  return record;
}

/** Sorted by name, at most 32; `fromEntries` defines own properties, so that no name reaches a prototype. */
function printableDetails(details: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(details).sort(([a], [b]) => (a < b ? -1 : 1));
  const kept = entries.slice(0, maxDetails).map(([name, value]) => [printableText(name, 64), printableText(value)]);
  const dropped = entries.length - kept.length;
  return Object.fromEntries(dropped > 0 ? [...kept, ["omitted", String(dropped)]] : kept);
}

const maxDetails = 32;
const maxNameLength = 256;
