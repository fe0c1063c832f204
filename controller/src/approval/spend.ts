import type { Instant } from "@fleetcert/shared";
import type { Budget } from "../approval-records.ts";
import type { Transaction } from "../store-port.ts";
import type { ApprovalParts } from "./approval.ts";
import { boundsInForce } from "./bounds.ts";
import type { Person } from "./person.ts";

/** How much somebody wants to do alone. */
export interface Wish {
  readonly person: Person;
  readonly budget: Budget;
  readonly weight: number;
  readonly now: Instant;
}

/**
 * Whether the person may do it alone: with all that this person, and everybody who gave this access, did alone within 24
 * hours (I14). Looked at in the transaction that then spends and acts, so that nothing comes in between.
 */
export async function mayAlone(parts: ApprovalParts, tx: Transaction, wish: Wish): Promise<boolean> {
  const { person, budget, weight, now } = wish;
  if (weight === 0) return true;
  if (budget === "policy") return false;
  const bound = (await boundsInForce(tx, parts.configured))[budget];
  for (const name of person.lineage) {
    // An instant ahead of a clock that was set back still counts.
    if ((await tx.spendings.sumAfter(name, budget, now - day)) + weight > bound) return false;
  }
  return true;
}

/** Counts it against everybody who could be behind it, in the transaction that acts. */
export async function spend(tx: Transaction, { person, budget, weight, now }: Wish): Promise<void> {
  if (weight === 0) return;
  for (const name of person.lineage) await tx.spendings.add({ person: name, budget, at: now, weight });
}

const day = 86_400_000;
