import type { Instant } from "@fleetcert/shared";
import type { PlanRecord } from "../approval-records.ts";
import { appendAudit } from "../audit/append-audit.ts";
import type { Transaction } from "../store-port.ts";
import type { ApprovalParts, Carried, Effect, Json, PlanAct } from "./approval.ts";
import { kindOf } from "./draft-plan.ts";

/** A stage that is in the store and not yet felt outside. */
export interface Stage {
  readonly plan: PlanRecord;
  readonly act: PlanAct;
}

/** Carries out the next items of a running plan in the caller's transaction: as many as its rate has let come due. */
export async function executeStage(
  parts: ApprovalParts,
  tx: Transaction,
  plan: PlanRecord,
  at: Instant,
): Promise<Stage> {
  const now = parts.surroundings.clock.now();
  const { count, stageAt } = dueNow(plan, now);
  const items = plan.items.slice(plan.done, plan.done + count);
  const act: PlanAct = { plan, request: JSON.parse(plan.request) as Json, items, at };
  await kindOf(parts, plan.kind).execute(tx, act);
  const done = plan.done + items.length;
  const isLast = done >= plan.items.length;
  const next: PlanRecord = {
    ...plan,
    ...{ done, stageAt },
    state: isLast ? "done" : "running",
    finishedAt: isLast ? now : undefined,
  };
  await tx.plans.put(next);
  if (isLast) {
    await appendAudit(tx, {
      ...{ at: now, actor: plan.requestedBy, action: "plan.finished", target: plan.hash, outcome: "success" },
      details: { kind: plan.kind, items: String(done), approvedBy: plan.decidedBy },
    });
  }
  return { plan: next, act };
}

/** Makes a stage felt; a plan without a rate then goes on at once to its end. */
export async function carryOut(parts: ApprovalParts, first: Stage, at: Instant): Promise<Omit<Carried, "detail">> {
  let stage: Stage | undefined = first;
  let plan = first.plan;
  let effect: Effect = { droppedSessions: 0, blockedAtBroker: 0, epoch: undefined };
  while (stage !== undefined) {
    const more: Effect = await kindOf(parts, plan.kind).settle(stage.act);
    effect = {
      droppedSessions: effect.droppedSessions + more.droppedSessions,
      blockedAtBroker: Math.max(effect.blockedAtBroker, more.blockedAtBroker),
      epoch: more.epoch ?? effect.epoch,
    };
    const { epoch } = more;
    stage = await parts.store.transaction(async (tx) => {
      const before = (await tx.plans.find(plan.hash)) ?? plan;
      const isNew = epoch !== undefined && before.epochs.at(-1) !== epoch;
      plan = isNew ? { ...before, epochs: [...before.epochs, epoch].slice(-maxEpochs) } : before;
      if (isNew) await tx.plans.put(plan);
      return plan.state === "running" && plan.rate === 0 ? await executeStage(parts, tx, plan, at) : undefined;
    });
    plan = stage?.plan ?? plan;
  }
  return { plan, effect };
}

/** How many items the rate allows now, and up to when it is then used up. A pause or a stop of the controller saves nothing up. */
export function dueNow(
  { rate, done, stageAt }: PlanRecord,
  now: Instant,
): { readonly count: number; readonly stageAt: Instant } {
  if (rate === 0) return { count: stageItems, stageAt: now };
  if (done === 0) return { count: Math.max(1, Math.floor(rate / 12)), stageAt: now };
  const from = Math.max(stageAt, now - longestStage);
  const count = Math.max(0, Math.floor(((now - from) * rate) / 60_000));
  return { count, stageAt: Math.min(now, from + Math.ceil((count * 60_000) / rate)) };
}

/** Devices of one transaction: about half a second of the store's time. */
const stageItems = 1000;
const longestStage = 60_000;
/** Epochs of a plan that are remembered: those whose way to the agents is still measured. */
const maxEpochs = 256;
