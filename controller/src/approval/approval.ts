import type { Duration, FleetError, Instant } from "@fleetcert/shared";
import type { Budget, PlanRecord } from "../approval-records.ts";
import type { Surroundings } from "../ports.ts";
import type { Store, Transaction } from "../store-port.ts";
import { admitAct } from "./admit-act.ts";
import { advancePlans } from "./advance-plans.ts";
import { adoptBounds, boundKind, boundsInForce } from "./bounds.ts";

import { controlPlan } from "./control-plan.ts";
import { approvePlan, rejectPlan } from "./decide-plan.ts";
import { requirePlan } from "./require-plan.ts";
import { previewPlan, submitPlan } from "./submit-plan.ts";

/** What approval works with. */
export interface ApprovalParts {
  readonly store: Store;
  readonly surroundings: Surroundings;
  /** Bounds as the configuration says; a higher one than the store knows is not adopted. */
  readonly configured: Bounds;
  /** How long a plan waits for a second person. */
  readonly planValidFor: Duration;
  /** Asked when a plan is carried out; the duties that know how are opened later. */
  readonly kinds: () => readonly PlanKind[];
}

/** A value of JSON without floating point: what a plan is made of. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** What one person may do alone within 24 hours; policy is never changed alone. */
export type Bounds = Readonly<Record<Exclude<Budget, "policy">, number>>;

/** One sort of act that is planned, approved and carried out. A duty knows how, approval knows whether. */
export interface PlanKind {
  readonly name: string;
  /** Works out what a request means now and changes nothing. Throws what is wrong with it. */
  draft(tx: Transaction, asked: { readonly actor: string; readonly request: Json }): Promise<Draft>;
  /** Carries out some of the items, in the transaction that looked at the bound. An item that is gone is passed over. */
  execute(tx: Transaction, act: PlanAct): Promise<void>;
  /** Makes it felt outside the store, after the commit; a crash in between is made good at the next start. */
  settle(act: PlanAct): Promise<Effect>;
}

/** What a request means now. */
export interface Draft {
  /** The request in its one canonical form. */
  readonly request: Json;
  readonly budget: Budget;
  readonly weight: number;
  /** What it acts on, in order. */
  readonly items: readonly string[];
  /** What the approver relies on and only persons change; part of the hash. */
  readonly facts: Json;
  /** What it would do, for a person to see; may change while it waits. */
  readonly impact: Json;
  /** For the caller only. */
  readonly detail?: unknown;
}

/** A part of a plan that is carried out. */
export interface PlanAct {
  readonly plan: PlanRecord;
  readonly request: Json;
  readonly items: readonly string[];
  /** When it was approved, or submitted where nobody had to approve. */
  readonly at: Instant;
}

/** What an act did outside the store. */
export interface Effect {
  readonly droppedSessions: number;
  /** Milliseconds from the approval until the broker refused and had dropped the sessions. */
  readonly blockedAtBroker: number;
  /** The epoch that published it; undefined when there was nothing to publish. */
  readonly epoch: number | undefined;
}

/** A plan and what came of it. */
export interface Carried {
  readonly plan: PlanRecord;
  readonly effect: Effect;
  readonly detail: unknown;
}

/** What somebody asks for. */
export interface Asked {
  readonly actor: string;
  readonly kind: string;
  readonly request: Json;
  /** Items per minute; all at once when absent. */
  readonly rate?: number | undefined;
}

/** The bound that one person may not pass alone, and the second person who lets a plan pass it (I14). */
export interface Approval {
  /** What would be asked and of whom; nothing is changed. */
  preview(
    asked: Asked,
  ): Promise<{ readonly plan: PlanRecord; readonly isAboveBound: boolean; readonly detail: unknown }>;
  /** Carries a plan out, or lets it wait and throws `second-person-required` with its hash. */
  submit(asked: Asked): Promise<Carried>;
  /**
   * For an act that its own duty carries out in `tx`: undefined when it may, else the error to throw after the commit.
   * An approved act is admitted once, to its requester.
   */
  admit(tx: Transaction, act: AdmittedAct): Promise<FleetError | undefined>;
  /** Carries out exactly the plan of the hash. Throws `denied`, `not-found`, `conflict`, `plan-stale`. */
  approve(actor: string, hash: string): Promise<Carried>;
  reject(actor: string, hash: string, remark: string): Promise<PlanRecord>;
  control(actor: string, hash: string, wish: "pause" | "resume" | "abort"): Promise<PlanRecord>;
  /** By its hash or the beginning of it, at least 8 digits. Throws `not-found`. */
  find(hash: string): Promise<PlanRecord>;
  /** Newest first. */
  list(limit: number): Promise<readonly PlanRecord[]>;
  /** Carries on what is staged and ends what nobody approved in time. */
  advance(): Promise<void>;
  bounds(): Promise<Bounds>;
  /** The change of a bound is a plan too. */
  readonly kinds: readonly PlanKind[];
}

/** An act of another duty that only needs the permission. */
export interface AdmittedAct {
  readonly actor: string;
  readonly kind: string;
  readonly budget: Budget;
  readonly weight: number;
  /** Everything the approver relies on. */
  readonly facts: Json;
}

/** Opens approval; bounds that the configuration lowered hold from now on. */
export async function openApproval(parts: ApprovalParts): Promise<Approval> {
  await adoptBounds(parts);
  return {
    preview: (asked) => parts.store.transaction((tx) => previewPlan(parts, tx, asked)),
    submit: (asked) => submitPlan(parts, asked),
    admit: (tx, act) => admitAct(parts, tx, act),
    approve: (actor, hash) => approvePlan(parts, { actor, hash }),
    reject: (actor, hash, remark) => rejectPlan(parts, { actor, hash, remark }),
    control: (actor, hash, wish) => controlPlan(parts, { actor, hash, wish }),
    find: (hash) => parts.store.transaction((tx) => requirePlan(tx, hash)),
    list: (limit) => parts.store.transaction((tx) => tx.plans.list(limit)),
    advance: () => advancePlans(parts),
    bounds: () => parts.store.transaction((tx) => boundsInForce(tx, parts.configured)),
    kinds: [boundKind(parts)],
  };
}
