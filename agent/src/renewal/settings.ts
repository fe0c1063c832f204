import type { Duration } from "@fleetcert/shared";
import type { BackoffSettings } from "../pace/backoff.ts";
import { keyStoreOf } from "./key-store.ts";
import type { RenewalRules } from "./schedule.ts";
import type { SlotState } from "./slot-state.ts";

/** The pace of a slot, and what kind of slot it is. */
export interface RenewalSettings {
  readonly backoff: BackoffSettings;
  /** Longest sleep before the plan is looked at again, so that a clock that was set is noticed. */
  readonly lookAgainAfter: Duration;
  /** What the controller says of when this slot may be renewed. */
  readonly rules: RenewalRules;
  /** The credential of a service is installed in files, reloaded and verified before it is proven; the identity is proven by a session. */
  readonly kind?: "identity" | "service";
  /** Name of the key store for new keys; a key in another is to be replaced. Undefined where there is only one. */
  readonly home?: string | undefined;
}

/** Whether the key in use lives in another key store than new keys are made in. */
export function isMoving({ current }: SlotState, { home }: RenewalSettings): boolean {
  return home !== undefined && current !== undefined && keyStoreOf(current.key.ref) !== home;
}
