import type { Operations } from "@fleetcert/controller";
import { localActor } from "./actor.ts";
import { percentile } from "./figures.ts";

/** What the audit of this run says. */
export interface AuditFigures {
  /** Entries since the run began. */
  readonly events: number;
  readonly isValid: boolean;
  /** Milliseconds from the durable intent of a device certificate to its durable outcome, as audited. */
  readonly issuanceMs: { readonly p50: number; readonly p95: number; readonly count: number };
}

/** Reads the audit from a sequence on, and verifies the whole chain. */
export async function readAudit(operations: Operations, from: number): Promise<AuditFigures> {
  const verdict = await operations.audit.verify(localActor);
  const intents = new Map<string, number>();
  const spans: number[] = [];
  let next = from;
  for (;;) {
    const page = await operations.audit.list(localActor, { from: next, limit: 1000 });
    for (const { action, target, at } of page) {
      if (action === "certificate.intent") intents.set(target, at);
      const begun = action === "certificate.issued" ? intents.get(target) : undefined;
      if (begun !== undefined) spans.push(at - begun);
    }
    next += page.length;
    if (page.length < 1000) break;
  }
  return {
    events: next - from,
    isValid: verdict.ok,
    issuanceMs: { p50: percentile(spans, 0.5), p95: percentile(spans, 0.95), count: spans.length },
  };
}

/** The sequence the next audit entry will have. */
export async function nextAuditSequence(operations: Operations): Promise<number> {
  return (await operations.audit.verify(localActor)).entries + 1;
}
