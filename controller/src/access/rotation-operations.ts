import type { Instant } from "@fleetcert/shared";
import type { Actor } from "./operations.ts";

/** A rotation of devices that are named. */
export interface RotationRequestView {
  readonly devices: readonly string[];
  /** `identity` when none is named. */
  readonly slot?: string;
  /** Spread over it, those seen rarely first; from now on when none is given. */
  readonly window?: { readonly start: Instant; readonly end: Instant };
  /** Maintenance windows do not hold it up: an incident. */
  readonly isUrgent?: boolean;
  /** Why, for the person who looks at a device. */
  readonly explanationUrl?: string;
}

/** Rotations that people ask for. */
export interface RotationOperations {
  /** Asks devices for a new key and certificate; all are known or none is asked. */
  request(actor: Actor, request: RotationRequestView): Promise<{ readonly requested: number }>;
}
