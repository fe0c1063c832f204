import type { MaintenanceWindow, RenewalMode } from "@fleetcert/proto";
import type { Duration, Instant } from "@fleetcert/shared";
import type { Moment } from "./event.ts";
import { hasReadable, nextOpening } from "./maintenance.ts";
import type { CredentialRecord, RenewalPlan, RenewalWindow, SlotState } from "./slot-state.ts";

/** What the controller says of when a slot may be renewed, beside the window. */
export interface RenewalRules {
  readonly mode: RenewalMode;
  /** Not before this instant; 0 is no bound. */
  readonly earliest: Instant;
  /** So near the certificate's end it is renewed whatever else is said; 0 is a twelfth of its life. */
  readonly renewBefore: Duration;
  /** When the device may be touched; none means always. */
  readonly maintenance: readonly MaintenanceWindow[];
}

/** Nothing is said. */
export const noRules: RenewalRules = { mode: "automatic", earliest: 0, renewBefore: 0, maintenance: [] };

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

/**
 * When a planned renewal may begin, judged anew at every look. Pure.
 *
 * 1. The last moment is `renewBefore` before the certificate's end (up to a quarter more, so that a fleet does not come at once):
 *    nothing below holds a renewal up beyond it. A device rather breaks a maintenance window than loses its certificate.
 * 2. `urgent` begins at the chosen point, `disabled` at the last moment.
 * 3. Otherwise not before `earliest`, and inside a maintenance window: at the chosen point when that lies in one, else at a
 *    random point of the next one. A device that was away while its window was open waits for the next.
 */
export function renewalMoment(
  { at }: Pick<RenewalPlan, "at">,
  { notBefore, notAfter }: Pick<CredentialRecord, "notBefore" | "notAfter">,
  { rules, now }: { readonly rules: RenewalRules; readonly now: Instant },
): Instant {
  const life = notAfter - notBefore;
  const reserve = rules.renewBefore === 0 ? life / 12 : Math.min(rules.renewBefore, life / 2);
  const last = Math.floor(notAfter - reserve * (1 + spreadOf(at) / 4));
  if (rules.mode === "urgent") return Math.min(at, last);
  if (rules.mode === "disabled") return last;
  const due = Math.max(at, rules.earliest);
  return Math.min(last, inMaintenance(rules.maintenance, { due, now, last }));
}

function inMaintenance(
  windows: readonly MaintenanceWindow[],
  { due, now, last }: { readonly due: Instant; readonly now: Instant; readonly last: Instant },
): Instant {
  if (due >= last || !hasReadable(windows)) return due;
  const first = pointAfter(windows, due);
  if (first === undefined || first > now) return first ?? last;
  // The chosen point has gone by: now is good when a window is open, else the next one has to be waited for.
  const opening = nextOpening(windows, now);
  return opening !== undefined && opening.start <= now ? first : (pointAfter(windows, now) ?? last);
}

/** The instant itself when a window is open at it, else a point of the next one. */
function pointAfter(windows: readonly MaintenanceWindow[], instant: Instant): Instant | undefined {
  const opening = nextOpening(windows, instant);
  if (opening === undefined || opening.start <= instant) return opening && instant;
  return Math.floor(opening.start + spreadOf(instant) * (opening.end - opening.start));
}

/** The last digits of a random point are random too, and stay what they are: a second dice that needs no memory. */
function spreadOf(at: Instant): number {
  return (Math.abs(at) % dice) / dice;
}

function pointIn({ start, end }: RenewalWindow, { now, jitter }: Moment): Instant {
  const from = Math.max(start, Math.min(now, end));
  return Math.floor(from + jitter * Math.max(0, end - from));
}

/** Two thirds of the lifetime and up to a twelfth more, so that a fleet enrolled in one hour does not renew in one. */
function dueByAge({ notBefore, notAfter }: CredentialRecord, jitter: number): Instant {
  return Math.floor(notBefore + (notAfter - notBefore) * (2 / 3 + jitter / 12));
}

/** Whether a certificate is so old that the device renews it without being asked. */
export function isDueByAge(current: CredentialRecord, now: Instant): boolean {
  return now >= dueByAge(current, 0);
}

/** Whether both are the same window, or none. */
export function isSameWindow(a: RenewalWindow | undefined, b: RenewalWindow | undefined): boolean {
  return a?.generation === b?.generation && a?.start === b?.start && a?.end === b?.end;
}

/** A prime, so that points chosen in whole seconds or minutes do not share it. */
const dice = 9973;
