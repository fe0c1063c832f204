import type { Instant } from "@fleetcert/shared";
import type { PlanRecord, PlanState } from "../approval-records.ts";
import type { Revocation, RevocationPlan } from "../revocation/revocation.ts";
import type { Actor, CertificateView } from "./operations.ts";

/** Exactly one way to say what is meant. */
export interface SelectionRequest {
  readonly device?: string;
  /** Hex. */
  readonly serial?: string;
  readonly listed?: { readonly devices: readonly string[]; readonly serials: readonly string[] };
  readonly filter?: string;
  /** A production lot: the tag `lot:NAME`, or the id of the claim its devices enrolled with. */
  readonly batch?: string;
}

/** What is to be revoked, why, since when, and how fast. */
export interface RevocationRequest extends SelectionRequest {
  readonly reason: string;
  readonly invalidityDate?: Instant;
  /** Devices and certificates per minute; all at once when absent. */
  readonly rate?: number;
}

/** What a revocation would do to the fleet; counts by name. */
export type ImpactView = RevocationPlan["impact"];

/** What a revocation would take away, and whether one person may do so alone. */
export interface RevocationPlanView {
  /** What a second person approves where one is needed. */
  readonly hash: string;
  readonly devices: readonly string[];
  /** At most 1,000. */
  readonly certificates: readonly CertificateView[];
  readonly impact: ImpactView;
  readonly suspends: boolean;
  /** Whether a second person must approve it. */
  readonly aboveBound: boolean;
}

/** How far one epoch has come. */
export type PropagationView = Awaited<ReturnType<Revocation["propagation"]>>;

/** Taking certificates away, and watching it take effect. */
export interface RevocationOperations {
  plan(actor: Actor, request: RevocationRequest): Promise<RevocationPlanView>;
  /** Throws `second-person-required` with the hash of the plan that then waits. */
  revoke(
    actor: Actor,
    request: RevocationRequest,
  ): Promise<{
    readonly plan: RevocationPlanView;
    readonly state: PlanState;
    readonly epoch: number;
    readonly droppedSessions: number;
    /** Milliseconds. */
    readonly blockedAtBroker: number;
  }>;
  /** Lifts holds, and only those. */
  undo(actor: Actor, request: SelectionRequest): Promise<PlanView>;
  /** Of an epoch, or of the last epoch of a plan; the latest when none is named. */
  status(actor: Actor, request: { readonly epoch?: number; readonly plan?: string }): Promise<PropagationView>;
}

/** An act with its facts, and what has become of it. */
export interface PlanView extends Omit<PlanRecord, "core" | "round" | "stageAt" | "request" | "impact"> {
  readonly request: unknown;
  readonly impact: unknown;
}

/** The acts that wait for a second person, or are being carried out. */
export interface PlanOperations {
  /** Newest first. */
  list(actor: Actor, request: { readonly limit?: number }): Promise<readonly PlanView[]>;
  /** By the hash or its beginning. */
  show(actor: Actor, hash: string): Promise<PlanView>;
  /** Carries out exactly this plan. Throws `denied`, `plan-stale`, `conflict`. */
  approve(
    actor: Actor,
    hash: string,
  ): Promise<{
    readonly plan: PlanView;
    readonly droppedSessions: number;
    readonly blockedAtBroker: number;
    readonly epoch: number | undefined;
  }>;
  reject(actor: Actor, hash: string, remark: string): Promise<PlanView>;
  control(actor: Actor, hash: string, wish: "pause" | "resume" | "abort"): Promise<PlanView>;
}

/** How much one person may do alone within 24 hours, by budget (I14). */
export interface BoundOperations {
  show(actor: Actor): Promise<Readonly<Record<string, number>>>;
  /** Raising one needs a second person always. */
  set(actor: Actor, bound: string, value: number): Promise<Readonly<Record<string, number>>>;
}
