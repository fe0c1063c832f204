import { FleetError } from "@fleetcert/shared";
import type { PlanRecord } from "../approval-records.ts";
import { appendAudit } from "../audit/append-audit.ts";
import type { Transaction } from "../store-port.ts";
import type { ApprovalParts, Asked, Carried } from "./approval.ts";
import { carryOut, executeStage } from "./carry-out.ts";
import { draftPlan } from "./draft-plan.ts";
import { mayAlone, spend } from "./spend.ts";

/** The plan of a request and whether a second person is needed; writes nothing. */
export async function previewPlan(parts: ApprovalParts, tx: Transaction, asked: Asked) {
  const { plan, person, detail } = await draftPlan(parts, tx, asked);
  const now = parts.surroundings.clock.now();
  const isAlone = await mayAlone(parts, tx, { person, budget: plan.budget, weight: plan.weight, now });
  return { plan, isAboveBound: !isAlone, detail };
}

/** Carries a request out within the bound; above it the plan waits and `second-person-required` is thrown. */
export async function submitPlan(parts: ApprovalParts, asked: Asked): Promise<Carried> {
  const at = parts.surroundings.clock.now();
  const begun = await parts.store.transaction(async (tx) => {
    const { plan, person, detail } = await draftPlan(parts, tx, asked);
    const wish = { person, budget: plan.budget, weight: plan.weight, now: at };
    if (!(await mayAlone(parts, tx, wish))) return { refused: await letWait(parts, tx, plan) };
    await spend(tx, wish);
    const running = { ...plan, state: "running" as const, decidedAt: at, stageAt: at };
    return { stage: await executeStage(parts, tx, running, at), detail };
  });
  if (begun.refused !== undefined) throw begun.refused;
  return { ...(await carryOut(parts, begun.stage, at)), detail: begun.detail };
}

/** Writes the plan down to wait for another person; resolves with the error for who asked. */
export async function letWait(parts: ApprovalParts, tx: Transaction, plan: PlanRecord): Promise<FleetError> {
  if ((await tx.plans.find(plan.hash)) === undefined) {
    await tx.plans.put(plan);
    await appendAudit(tx, {
      at: parts.surroundings.clock.now(),
      actor: plan.requestedBy,
      action: "plan.requested",
      target: plan.hash,
      outcome: "success",
      details: { kind: plan.kind, weight: String(plan.weight), request: plan.request },
    });
  }
  return new FleetError(
    "second-person-required",
    `this is above what one person may do within 24 hours; plan ${plan.hash} waits for another person until ${new Date(plan.expiresAt).toISOString()}`,
    { hint: `another person looks at it and runs: fleetcert approve ${plan.hash}` },
  );
}
