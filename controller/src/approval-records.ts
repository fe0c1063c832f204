import type { Instant } from "@fleetcert/shared";

/** A key of the API that stands for an operator; only the hash of its secret is kept. */
export interface ApiKeyRecord {
  readonly id: string;
  readonly secretSha256: string;
  /** Name of the operator whose role and person it carries. */
  readonly operator: string;
  readonly createdAt: Instant;
  /** The actor who made it: whoever made a key has seen it. */
  readonly createdBy: string;
  readonly expiresAt: Instant;
  readonly revokedAt: Instant | undefined;
}

/** What a person may do only so much of within 24 hours without a second person (I14). */
export type Budget = "revoke" | "reinstate" | "claim" | "policy";

/**
 * `open` waits for a second person, `granted` for its requester to use it; `running` and `paused` are being carried out.
 * The others are ends.
 */
export type PlanState =
  | "open"
  | "granted"
  | "running"
  | "paused"
  | "done"
  | "rejected"
  | "expired"
  | "stale"
  | "aborted";

/** One act with its facts, known by the hash that a second person approves; see approval/plan-hash.ts. */
export interface PlanRecord {
  /** SHA-256 of the canonical plan, lower-case hex. */
  readonly hash: string;
  /** The same without the round: asking again for the same thing in the same world. */
  readonly core: string;
  /** How often the same thing was asked for and ended before. */
  readonly round: number;
  readonly kind: string;
  /** JSON. */
  readonly request: string;
  readonly budget: Budget;
  /** What it counts against the bound. */
  readonly weight: number;
  /** What it acts on, one after the other. */
  readonly items: readonly string[];
  /** JSON: what it would do to the fleet, for the person who approves. */
  readonly impact: string;
  /** The actor, and the person behind it. */
  readonly requestedBy: string;
  readonly requester: string;
  readonly requestedAt: Instant;
  readonly expiresAt: Instant;
  readonly state: PlanState;
  /** The actor who approved, rejected or aborted it; empty for what the requester could do alone. */
  readonly decidedBy: string;
  readonly decidedAt: Instant | undefined;
  /** Why it was rejected, became stale or was aborted. */
  readonly remark: string;
  /** Items per minute; 0 for all at once. */
  readonly rate: number;
  /** How many items are carried out. */
  readonly done: number;
  /** Up to when the rate is used up. */
  readonly stageAt: Instant;
  /** The epochs that published its stages. */
  readonly epochs: readonly number[];
  readonly finishedAt: Instant | undefined;
}

/** What a person did alone. */
export interface SpendingRecord {
  readonly person: string;
  readonly budget: Budget;
  readonly at: Instant;
  readonly weight: number;
}
