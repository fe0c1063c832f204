import { appendAudit } from "../audit/append-audit.ts";
import type { AwaitedProofRecord } from "../rotation-records.ts";
import type { Transaction } from "../store-port.ts";
import type { EnrolmentParts } from "./enrolment.ts";

/**
 * Notes every certificate whose proof in use stays away longer than `proveWithin`: once, in the audit and as a notice. Those
 * that were proven or ended meanwhile are forgotten. Resolves with how many are noted now.
 */
export async function noteOverdueProofs(parts: EnrolmentParts): Promise<number> {
  const { store, surroundings, proveWithin } = parts;
  const now = surroundings.clock.now();
  await store.transaction((tx) => forgetEnded(tx));
  let noted = 0;
  for (;;) {
    const overdue = await store.transaction(async (tx) => {
      const found = await tx.awaitedProofs.listOverdue(now - proveWithin, batch);
      const awaited: AwaitedProofRecord[] = [];
      for (const one of found) {
        if (await isAwaited(tx, one)) awaited.push(one);
        else await tx.awaitedProofs.remove(one.sha256);
      }
      for (const one of awaited) {
        await tx.awaitedProofs.put({ ...one, notedAt: now });
        await appendAudit(tx, {
          at: now,
          actor: "controller",
          action: "certificate.unproven",
          target: one.device,
          outcome: "failure",
          details: detailsOf(one),
        });
      }
      return { isLast: found.length < batch, awaited };
    });
    for (const one of overdue.awaited) {
      surroundings.notices.raise({ name: "certificate.not-proven", device: one.device, details: detailsOf(one) });
    }
    noted += overdue.awaited.length;
    if (overdue.isLast) return noted;
  }
}

/** Those noted before that are over: proven, revoked, expired. */
async function forgetEnded(tx: Transaction): Promise<void> {
  for (const one of await tx.awaitedProofs.listNoted({ limit: maxNoted })) {
    if (!(await isAwaited(tx, one))) await tx.awaitedProofs.remove(one.sha256);
  }
}

async function isAwaited(tx: Transaction, { sha256 }: AwaitedProofRecord): Promise<boolean> {
  return (await tx.certificates.find(sha256))?.state === "issued";
}

function detailsOf({ sha256, slot, generation, issuedAt }: AwaitedProofRecord) {
  return { slot, generation: String(generation), sha256, issued: new Date(issuedAt).toISOString() };
}

const batch = 500;
const maxNoted = 10_000;
