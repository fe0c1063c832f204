import { FleetError } from "@fleetcert/shared";
import type { PlanRecord, PlanState } from "../approval-records.ts";
import { appendAudit } from "../audit/append-audit.ts";
import type { ApprovalParts } from "./approval.ts";
import { personBehind } from "./person.ts";
import { requirePlan } from "./require-plan.ts";

/** Pauses, resumes or ends a plan that is carried out in stages; what is done stays done. Throws `conflict`. */
export async function controlPlan(
  parts: ApprovalParts,
  request: { readonly actor: string; readonly hash: string; readonly wish: "pause" | "resume" | "abort" },
): Promise<PlanRecord> {
  const { actor, hash, wish } = request;
  return await parts.store.transaction(async (tx) => {
    const now = parts.surroundings.clock.now();
    await personBehind(tx, actor, now);
    const plan = await requirePlan(tx, hash);
    const { from, to, action } = wishes[wish];
    if (!from.includes(plan.state)) {
      throw new FleetError("conflict", `plan ${plan.hash} is ${plan.state}, it cannot ${wish}`, {
        hint: "see fleetcert approve show",
      });
    }
    const isEnd = to === "aborted";
    const next: PlanRecord = {
      ...plan,
      state: to,
      stageAt: now,
      ...(isEnd && { finishedAt: now, remark: `aborted by ${actor}` }),
    };
    await tx.plans.put(next);
    await appendAudit(tx, {
      ...{ at: now, actor, action, target: plan.hash, outcome: "success" },
      details: { done: String(plan.done), of: String(plan.items.length) },
    });
    return next;
  });
}

interface Change {
  readonly from: readonly PlanState[];
  readonly to: PlanState;
  readonly action: "plan.paused" | "plan.resumed" | "plan.aborted";
}

const wishes: Readonly<Record<"pause" | "resume" | "abort", Change>> = {
  pause: { from: ["running"], to: "paused", action: "plan.paused" },
  resume: { from: ["paused"], to: "running", action: "plan.resumed" },
  abort: { from: ["running", "paused"], to: "aborted", action: "plan.aborted" },
};
