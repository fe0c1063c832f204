import type { FleetError } from "@fleetcert/shared";
import type { Transaction } from "../store-port.ts";
import type { AdmittedAct, ApprovalParts, Draft } from "./approval.ts";
import { draftedPlan } from "./draft-plan.ts";
import { mayAlone, spend } from "./spend.ts";
import { letWait } from "./submit-plan.ts";

/** Lets an act of another duty pass: within the bound, or once after a second person has approved it. */
export async function admitAct(
  parts: ApprovalParts,
  tx: Transaction,
  { actor, kind, budget, weight, facts }: AdmittedAct,
): Promise<FleetError | undefined> {
  const draft: Draft = { request: facts, budget, weight, items: [], facts, impact: facts };
  const { plan, person } = await draftedPlan(parts, tx, { actor, kind, rate: 0, draft });
  const now = parts.surroundings.clock.now();
  if (plan.state === "granted") {
    await tx.plans.put({ ...plan, state: "done", finishedAt: now });
    return undefined;
  }
  const wish = { person, budget, weight, now };
  if (!(await mayAlone(parts, tx, wish))) return await letWait(parts, tx, plan);
  await spend(tx, wish);
  return undefined;
}
