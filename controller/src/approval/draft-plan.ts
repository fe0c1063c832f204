import { FleetError, type Instant } from "@fleetcert/shared";
import type { PlanRecord } from "../approval-records.ts";
import type { Transaction } from "../store-port.ts";
import type { ApprovalParts, Asked, Draft, PlanKind } from "./approval.ts";
import { canonicalJson } from "./canonical-json.ts";
import { type Person, personBehind } from "./person.ts";
import { planCore, planHash } from "./plan-hash.ts";

/** A request worked out in the present world: the plan as it would be written, or as it waits already. */
export interface Drafted {
  readonly plan: PlanRecord;
  readonly person: Person;
  readonly detail: unknown;
}

/** Works a request out. Throws what the kind says is wrong with it. */
export async function draftPlan(
  parts: ApprovalParts,
  tx: Transaction,
  { actor, kind, request, rate = 0 }: Asked,
): Promise<Drafted> {
  const draft = await kindOf(parts, kind).draft(tx, { actor, request });
  return await draftedPlan(parts, tx, { actor, kind, rate, draft });
}

/** The plan of a draft: the one that waits for the same, else a new one of the next round. */
export async function draftedPlan(
  parts: ApprovalParts,
  tx: Transaction,
  asked: { readonly actor: string; readonly kind: string; readonly rate: number; readonly draft: Draft },
): Promise<Drafted> {
  const { actor, kind, rate, draft } = asked;
  const now = parts.surroundings.clock.now();
  const person = await personBehind(tx, actor, now);
  const core = planCore({ kind, requester: person.name, rate, draft });
  const latest = await tx.plans.latestOf(core);
  if (latest !== undefined && isWaiting(latest, now)) return { plan: latest, person, detail: draft.detail };
  const round = latest === undefined ? 0 : latest.round + 1;
  const plan: PlanRecord = {
    ...{ core, round, kind, rate, hash: planHash(core, round) },
    request: canonicalJson(draft.request),
    budget: draft.budget,
    weight: draft.weight,
    items: draft.items,
    impact: canonicalJson(draft.impact),
    requestedBy: actor,
    requester: person.name,
    requestedAt: now,
    expiresAt: now + parts.planValidFor,
    state: "open",
    decidedBy: "",
    decidedAt: undefined,
    remark: "",
    done: 0,
    stageAt: now,
    epochs: [],
    finishedAt: undefined,
  };
  return { plan, person, detail: draft.detail };
}

/** The kind of a name. Throws `internal` for one that no duty brought. */
export function kindOf({ kinds }: ApprovalParts, name: string): PlanKind {
  const found = kinds().find((kind) => kind.name === name);
  if (found === undefined) throw new FleetError("internal", `there is no kind of plan ${name}`);
  return found;
}

function isWaiting({ state, expiresAt }: PlanRecord, now: Instant): boolean {
  return (state === "open" || state === "granted") && expiresAt > now;
}
