import { type ErrorCode, FleetError, isFleetError } from "@fleetcert/shared";
import type { PlanRecord } from "../approval-records.ts";
import { appendAudit } from "../audit/append-audit.ts";
import type { Transaction } from "../store-port.ts";
import type { ApprovalParts, Carried, Json } from "./approval.ts";
import { carryOut, executeStage, type Stage } from "./carry-out.ts";
import { draftPlan } from "./draft-plan.ts";
import { personBehind } from "./person.ts";
import { requireWholeHash } from "./require-plan.ts";

interface Decision {
  readonly actor: string;
  readonly hash: string;
}

/**
 * A second person approves exactly the plan of the hash, which is carried out in the same transaction. Throws `denied` for a
 * person who could be the requester, `plan-stale` when the world has changed, `conflict` when it no longer waits.
 */
export async function approvePlan(parts: ApprovalParts, { actor, hash }: Decision): Promise<Carried> {
  const at = parts.surroundings.clock.now();
  const outcome = await parts.store.transaction(async (tx): Promise<Outcome> => {
    const plan = await requireWholeHash(tx, hash);
    const refused =
      (await refuseState(parts, tx, plan)) ??
      (await refusePerson(parts, tx, { plan, actor })) ??
      (await refuseChangedWorld(parts, tx, { plan, actor }));
    if (refused !== undefined) return { refused };
    await note(parts, tx, { plan, actor, action: "plan.approved" });
    const approved = { ...plan, decidedBy: actor, decidedAt: at, stageAt: at };
    if (isPermit(parts, plan)) {
      // Whoever asked carries it out; the permission lasts as long again as a plan waits.
      const granted: PlanRecord = { ...approved, state: "granted", expiresAt: at + parts.planValidFor };
      await tx.plans.put(granted);
      return { granted };
    }
    return { stage: await executeStage(parts, tx, { ...approved, state: "running" }, at) };
  });
  if ("refused" in outcome) throw outcome.refused;
  if ("granted" in outcome) return { plan: outcome.granted, effect: none, detail: undefined };
  return { ...(await carryOut(parts, outcome.stage, at)), detail: undefined };
}

type Outcome = { readonly refused: FleetError } | { readonly granted: PlanRecord } | { readonly stage: Stage };

/** Ends a plan that waits; its requester may take it back. */
export async function rejectPlan(
  parts: ApprovalParts,
  { actor, hash, remark }: Decision & { readonly remark: string },
): Promise<PlanRecord> {
  return await parts.store.transaction(async (tx) => {
    const plan = await requireWholeHash(tx, hash);
    const now = parts.surroundings.clock.now();
    await personBehind(tx, actor, now);
    if (plan.state !== "open" && plan.state !== "granted") throw notWaiting(plan);
    const rejected: PlanRecord = {
      ...plan,
      state: "rejected",
      decidedBy: actor,
      decidedAt: now,
      remark,
      finishedAt: now,
    };
    await tx.plans.put(rejected);
    await note(parts, tx, { plan, actor, action: "plan.rejected", details: { remark } });
    return rejected;
  });
}

/** Ends a plan that nobody approved in time. */
export async function expirePlan(parts: ApprovalParts, tx: Transaction, plan: PlanRecord): Promise<void> {
  await tx.plans.put({ ...plan, state: "expired", finishedAt: parts.surroundings.clock.now() });
  await note(parts, tx, { plan, actor: "controller", action: "plan.expired" });
}

async function refuseState(parts: ApprovalParts, tx: Transaction, plan: PlanRecord): Promise<FleetError | undefined> {
  if (plan.state !== "open") return notWaiting(plan);
  if (plan.expiresAt > parts.surroundings.clock.now()) return undefined;
  await expirePlan(parts, tx, plan);
  return notWaiting({ ...plan, state: "expired" });
}

/** I14: another person, who neither gave the requester access nor got it from the requester or from the same giver. */
async function refusePerson(
  parts: ApprovalParts,
  tx: Transaction,
  { plan, actor }: { readonly plan: PlanRecord; readonly actor: string },
): Promise<FleetError | undefined> {
  const now = parts.surroundings.clock.now();
  const approver = await personBehind(tx, actor, now);
  const requester = await personBehind(tx, plan.requestedBy, now).catch((error: unknown) => {
    if (isFleetError(error, "denied")) return undefined;
    throw error;
  });
  const common = requester && [...approver.lineage.intersection(requester.lineage)];
  if (requester !== undefined && common?.length === 0) return undefined;
  const why =
    requester === undefined
      ? `the access of ${plan.requestedBy}, who asked for it, has ended`
      : approver.name === requester.name
        ? `${actor} is the person who asked for it`
        : `the access of ${actor} and of ${plan.requestedBy} both come from ${common?.join(", ")}`;
  await appendAudit(tx, {
    ...{ at: now, actor, action: "access.denied", target: plan.hash, outcome: "failure" },
    details: { permission: "plan.approve", why },
  });
  return new FleetError("denied", `plan ${plan.hash} needs a second person: ${why}`, {
    hint: "ask somebody who got access from the controller's host or from another administrator",
  });
}

async function refuseChangedWorld(
  parts: ApprovalParts,
  tx: Transaction,
  { plan, actor }: { readonly plan: PlanRecord; readonly actor: string },
): Promise<FleetError | undefined> {
  if (isPermit(parts, plan)) return undefined;
  const why = await whatChanged(parts, tx, plan);
  if (why === undefined) return undefined;
  await tx.plans.put({ ...plan, state: "stale", remark: why, finishedAt: parts.surroundings.clock.now() });
  await note(parts, tx, { plan, actor, action: "plan.stale", details: { why } });
  return new FleetError("plan-stale", `plan ${plan.hash} is no longer what would happen: ${why}`, {
    hint: "nothing was done; plan it again, look at it again, approve the new hash",
  });
}

async function whatChanged(parts: ApprovalParts, tx: Transaction, plan: PlanRecord): Promise<string | undefined> {
  const { requestedBy: actor, kind, rate } = plan;
  try {
    const again = await draftPlan(parts, tx, { actor, kind, rate, request: JSON.parse(plan.request) as Json });
    return again.plan.hash === plan.hash ? undefined : "what it acts on has changed since it was asked for";
  } catch (error) {
    // What the kind says is wrong now; anything else is no word about the world.
    if (isFleetError(error, ...changes)) return error.message;
    throw error;
  }
}

/** A plan of a duty that carries it out itself, when its requester comes again. */
function isPermit({ kinds }: ApprovalParts, plan: PlanRecord): boolean {
  return !kinds().some(({ name }) => name === plan.kind);
}

function notWaiting({ hash, state, remark }: PlanRecord): FleetError {
  return new FleetError("conflict", `plan ${hash} is ${state}${remark === "" ? "" : `: ${remark}`}`, {
    hint: "only a plan that waits can be decided; see fleetcert approve list",
  });
}

async function note(
  parts: ApprovalParts,
  tx: Transaction,
  act: {
    readonly plan: PlanRecord;
    readonly actor: string;
    readonly action: "plan.approved" | "plan.rejected" | "plan.expired" | "plan.stale";
    readonly details?: Readonly<Record<string, string>>;
  },
): Promise<void> {
  const { plan, actor, action, details } = act;
  await appendAudit(tx, {
    ...{ at: parts.surroundings.clock.now(), actor, action, target: plan.hash },
    outcome: action === "plan.approved" ? "success" : "failure",
    details: { kind: plan.kind, requestedBy: plan.requestedBy, ...details },
  });
}

const changes: readonly ErrorCode[] = [
  "not-found",
  "conflict",
  "request-invalid",
  "filter-invalid",
  "device-retired",
  "denied",
];
const none = { droppedSessions: 0, blockedAtBroker: 0, epoch: undefined };
