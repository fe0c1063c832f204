import { assembleSigned, FleetError, sha256Hex } from "@fleetcert/shared";
import { type AuditEventName, appendAudit } from "../audit/append-audit.ts";
import type { FailpointName } from "../failpoints.ts";
import type { CertificateAuthority, Surroundings } from "../ports.ts";
import type { IntentRecord } from "../records.ts";
import type { Store, Transaction } from "../store-port.ts";

/** What is about to be signed, as the intent and its audit entry keep it. */
export interface SigningIntent {
  readonly tbs: Uint8Array;
  readonly record: Omit<IntentRecord, "tbsSha256" | "state" | "openedAt">;
  readonly details: Readonly<Record<string, string>>;
}

/** One signature to be made, with what has to happen around it. */
export interface SigningOrder<T> {
  readonly authority: CertificateAuthority;
  readonly actor: string;
  /** What the audit entries speak about. */
  readonly target: string;
  readonly events: { readonly intent: AuditEventName; readonly done: AuditEventName; readonly failed: AuditEventName };
  readonly failpoints: {
    readonly afterIntent: FailpointName;
    readonly afterSigning: FailpointName;
    readonly afterStore: FailpointName;
  };
  /** First transaction: everything is decided and encoded here. Throws to refuse; a `value` needs no signature. */
  prepare(tx: Transaction): Promise<{ readonly intent: SigningIntent } | { readonly value: T }>;
  /** Re-parses what was signed and compares it with what was asked; throws `issued-mismatch`. */
  compare(der: Uint8Array, tbs: Uint8Array): Promise<void>;
  /** Second transaction: stores what was signed, together with its audit entry and the closed intent. */
  store(tx: Transaction, der: Uint8Array): Promise<T>;
  /** Transaction of a failure: gives back what `prepare` reserved. */
  abandon(tx: Transaction, intent: IntentRecord): Promise<void>;
}

/**
 * Signs in Boulder's order (I2): decide → durable intent with the hash of the to-be-signed bytes → sign → re-parse and
 * compare → store with the outcome. Whatever fails after the intent leaves it aborted; it is never signed again.
 */
export async function signInOrder<T>(
  parts: { readonly store: Store; readonly surroundings: Surroundings },
  order: SigningOrder<T>,
): Promise<T> {
  const { store, surroundings } = parts;
  const { clock, failpoint } = surroundings;
  const prepared = await store.transaction(async (tx) => {
    const result = await order.prepare(tx);
    if ("value" in result) return result;
    const { intent } = result;
    const record: IntentRecord = {
      ...intent.record,
      tbsSha256: sha256Hex(intent.tbs),
      state: "open",
      openedAt: clock.now(),
    };
    await tx.intents.put(record);
    await audit(tx, { order, clock, action: order.events.intent, outcome: "intent", record, details: intent.details });
    return { tbs: intent.tbs, record, details: intent.details };
  });
  if ("value" in prepared) return prepared.value;

  const { tbs, record, details } = prepared;
  try {
    await failpoint(order.failpoints.afterIntent);
    const signature = await order.authority.signer.sign(tbs);
    await failpoint(order.failpoints.afterSigning);
    const der = assembleSigned(tbs, order.authority.signer.algorithm, signature);
    await order.compare(der, tbs);
    const value = await store.transaction(async (tx) => {
      const stored = await order.store(tx, der);
      await tx.intents.put({ ...record, state: "issued" });
      const outcome = { ...details, sha256: sha256Hex(der) };
      await audit(tx, { order, clock, action: order.events.done, outcome: "success", record, details: outcome });
      return stored;
    });
    await failpoint(order.failpoints.afterStore);
    return value;
  } catch (error) {
    await store.transaction(async (tx) => {
      const present = await tx.intents.find(record.tbsSha256);
      if (present?.state !== "open") return;
      await tx.intents.put({ ...record, state: "aborted" });
      await order.abandon(tx, record);
      const why = error instanceof FleetError ? error.code : "internal";
      await audit(tx, {
        order,
        clock,
        action: order.events.failed,
        outcome: "failure",
        record,
        details: { ...details, why },
      });
    });
    throw error;
  }
}

async function audit(
  tx: Transaction,
  entry: {
    readonly order: Pick<SigningOrder<unknown>, "actor" | "target">;
    readonly clock: Surroundings["clock"];
    readonly action: AuditEventName;
    readonly outcome: "intent" | "success" | "failure";
    readonly record: IntentRecord;
    readonly details: Readonly<Record<string, string>>;
  },
): Promise<void> {
  const { order, record } = entry;
  await appendAudit(tx, {
    at: entry.clock.now(),
    actor: order.actor,
    action: entry.action,
    target: order.target,
    outcome: entry.outcome,
    details: { ...entry.details, tbsSha256: record.tbsSha256, issuer: record.issuer },
  });
}
