import type { ApprovalParts } from "./approval.ts";
import { carryOut, dueNow, executeStage } from "./carry-out.ts";
import { expirePlan } from "./decide-plan.ts";

/**
 * One round of what plans do by themselves: the next stage of those that run, also of one that a crash interrupted, and the
 * end of those that nobody approved in time. What was spent longer ago than it counts is forgotten.
 */
export async function advancePlans(parts: ApprovalParts): Promise<void> {
  const { store, surroundings } = parts;
  const now = surroundings.clock.now();
  const running = await store.transaction(async (tx) => {
    for (const state of ["open", "granted"] as const) {
      for (const plan of await tx.plans.listInState(state, maxPlans)) {
        if (plan.expiresAt <= now) await expirePlan(parts, tx, plan);
      }
    }
    await tx.spendings.deleteThrough(now - keptFor);
    return await tx.plans.listInState("running", maxPlans);
  });
  for (const { hash } of running) {
    const stage = await store.transaction(async (tx) => {
      const plan = await tx.plans.find(hash);
      if (plan?.state !== "running" || dueNow(plan, now).count === 0) return undefined;
      return await executeStage(parts, tx, plan, now);
    });
    if (stage !== undefined) await carryOut(parts, stage, now);
  }
}

const maxPlans = 1000;
/** A clock that is set back by up to a day still finds what counts. */
const keptFor = 2 * 86_400_000;
