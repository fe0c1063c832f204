import type { Duration } from "@fleetcert/shared";
import type { RolloverStatus } from "../rollover/rollover.ts";
import type { Actor } from "./operations.ts";

/** How far a change of the issuing CA has come. */
export type RolloverView = RolloverStatus;

/** A change of the issuing CA, once the bundle with both is published. What is absent has a default. */
export interface RolloverBeginRequest {
  /** SPKI SHA-256 of the new issuing CA. */
  readonly to: string;
  /** Per cent of each class that has to hold the bundle: always 99, daily 95, rare 80, courier 0. */
  readonly thresholds?: {
    readonly always?: number;
    readonly daily?: number;
    readonly rare?: number;
    readonly courier?: number;
  };
  /** 1, 10, 50, 100. */
  readonly percents?: readonly number[];
  readonly provenPercent?: number;
  readonly maxFailures?: number;
  readonly within?: Duration;
  readonly soak?: Duration;
  readonly spread?: Duration;
}

/** Changing the issuing CA while the fleet works. */
export interface RolloverOperations {
  status(actor: Actor): Promise<RolloverView>;
  begin(actor: Actor, request: RolloverBeginRequest): Promise<RolloverView>;
  /** Plans the waves anew after they were rolled back or aborted. */
  resume(actor: Actor): Promise<RolloverView>;
  /** The bundle in force holds the old issuer no more. */
  finish(actor: Actor): Promise<RolloverView>;
}
