import type { Instant } from "@fleetcert/shared";
import type { Moment } from "./event.ts";
import type { CredentialRecord, RenewalPlan, RenewalWindow, SlotState } from "./slot-state.ts";

/**
 * The plan for the generation after the given credential. A plan once made stays: the random point of a window is chosen once.
 * A window for the next generation outranks the certificate's age (RFC 9773).
 */
export function planRenewal(
  { plan, window }: Pick<SlotState, "plan" | "window">,
  current: CredentialRecord,
  moment: Moment,
): RenewalPlan {
  const generation = current.generation + 1;
  const wanted = window?.generation === generation ? window : undefined;
  if (plan?.generation === generation && isSameWindow(plan.window, wanted)) return plan;
  const at = wanted === undefined ? dueByAge(current, moment.jitter) : pointIn(wanted, moment);
  return { generation, at, window: wanted };
}

function pointIn({ start, end }: RenewalWindow, { now, jitter }: Moment): Instant {
  const from = Math.max(start, Math.min(now, end));
  return Math.floor(from + jitter * Math.max(0, end - from));
}

/** Two thirds of the lifetime and up to a twelfth more, so that a fleet enrolled in one hour does not renew in one. */
function dueByAge({ notBefore, notAfter }: CredentialRecord, jitter: number): Instant {
  return Math.floor(notBefore + (notAfter - notBefore) * (2 / 3 + jitter / 12));
}

/** Whether both are the same window, or none. */
export function isSameWindow(a: RenewalWindow | undefined, b: RenewalWindow | undefined): boolean {
  return a?.generation === b?.generation && a?.start === b?.start && a?.end === b?.end;
}
