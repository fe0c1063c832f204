import type { Instant } from "@fleetcert/shared";
import type { Budget, PlanState } from "../approval-records.ts";
import type { ConnectivityClass } from "../records.ts";
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

export interface RevocationRequest extends SelectionRequest {
  readonly reason: string;
  readonly invalidityDate?: Instant;
  /** Devices and certificates per minute; all at once when absent. */
  readonly rate?: number;
}

/** What a revocation would do to the fleet; counts by name. */
export interface ImpactView {
  readonly devices: number;
  readonly certificates: number;
  readonly sites: Readonly<Record<string, number>>;
  readonly owners: Readonly<Record<string, number>>;
  readonly environments: Readonly<Record<string, number>>;
  readonly criticality: Readonly<Record<string, number>>;
  readonly connectivity: Readonly<Record<string, number>>;
  readonly services: Readonly<Record<string, number>>;
  readonly offline: number;
  readonly offlinePercent: number;
  readonly lockedOut: {
    readonly devices: number;
    readonly operators: readonly string[];
    readonly controller: readonly string[];
  };
  readonly crlBytes: number;
  readonly snapshotBytes: number;
}

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
export interface PropagationView {
  readonly issuer: string;
  readonly epoch: number;
  readonly requestedAt: Instant;
  /** Milliseconds from the request until the broker refused and had dropped the sessions. */
  readonly blockedAtBroker: number;
  readonly expected: number;
  readonly acknowledged: number;
  /** Milliseconds from the request until lists and head were signed and stored. */
  readonly publishedAfter: number | undefined;
  /** Milliseconds from the request to the signed word of the device. */
  readonly p50: number | undefined;
  readonly p95: number | undefined;
  readonly p99: number | undefined;
  readonly max: number | undefined;
  /** How many had acknowledged after how many milliseconds, growing. */
  readonly curve: readonly { readonly after: number; readonly acknowledged: number }[];
  /** Acknowledgements by the way they came: `mqtt`, `courier`. */
  readonly via: Readonly<Record<string, number>>;
  readonly waiting: readonly string[];
  /** Those that wait, by how often they are in contact; at most 20 of a class are named, those seen longest ago first. */
  readonly laggards: readonly {
    readonly connectivity: ConnectivityClass;
    readonly count: number;
    readonly devices: readonly { readonly id: string; readonly lastSeenAt: Instant | undefined }[];
  }[];
}

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
export interface PlanView {
  readonly hash: string;
  readonly kind: string;
  readonly request: unknown;
  readonly budget: Budget;
  readonly weight: number;
  readonly items: readonly string[];
  readonly impact: unknown;
  readonly requestedBy: string;
  readonly requester: string;
  readonly requestedAt: Instant;
  readonly expiresAt: Instant;
  readonly state: PlanState;
  readonly decidedBy: string;
  readonly decidedAt: Instant | undefined;
  readonly remark: string;
  readonly rate: number;
  readonly done: number;
  readonly epochs: readonly number[];
  readonly finishedAt: Instant | undefined;
}

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

export interface BoundOperations {
  show(actor: Actor): Promise<Readonly<Record<string, number>>>;
  /** Raising one needs a second person always. */
  set(actor: Actor, bound: string, value: number): Promise<Readonly<Record<string, number>>>;
}
