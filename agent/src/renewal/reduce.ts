import { assertNever, type Duration } from "@fleetcert/shared";
import type { IssuedRecord } from "../credential/verify-issued.ts";
import { backoff } from "../pace/backoff.ts";
import type { Effect } from "./effect.ts";
import { type Context, effectOf, isServing, isWaiting } from "./effect-of.ts";
import type { Failed, Moment, RenewalEvent } from "./event.ts";
import { consequenceOf, isSpent, waitsForLink } from "./failure.ts";
import { permit } from "./permit.ts";
import { retire, stayRetired } from "./retire.ts";
import { isSameWindow, planRenewal, renewalMoment } from "./schedule.ts";
import { isMoving, type RenewalSettings } from "./settings.ts";
import {
  askerOf,
  type CredentialRecord,
  type Journal,
  type KeyRecord,
  pendingKey,
  type RenewalWindow,
  referencedKeys,
  type SlotState,
} from "./slot-state.ts";

/** The next state of a slot and what has to be done once that state is durable. */
export interface Reduction {
  /** The same object when nothing changed. */
  readonly state: SlotState;
  readonly effects: readonly Effect[];
}

/**
 * The renewal core of one slot: pure, without clock, randomness or I/O. Generation 1 goes the same way as every other.
 *
 * The state alone decides what has to be done next, so that a restart, a wake-up and a step forward all ask for the same effect,
 * and a result of an effect counts only when it is about the key the journal names.
 */
export function reduce(state: SlotState, event: RenewalEvent, moment: Moment, settings: RenewalSettings): Reduction {
  const context = { moment, settings };
  if (state.journal.at === "retired") {
    return stayRetired(state, event, (attempts) => pauseAfter(attempts, context, 0));
  }
  switch (event.type) {
    case "started":
      return start(state, context);
    case "woke":
      return wake(state, context);
    case "connected":
      return state.journal.at === "idle" || waitsForLink(state) ? proceed(state, context) : unchanged(state);
    case "anchored":
      return state.journal.at === "idle" || isSpentProof(state, context) ? proceed(state, context) : unchanged(state);
    case "wanted":
      return want(state, context);
    case "permitted":
      return enrolAnew(state, event.generation, context);
    case "window":
      return assignWindow(state, event.window, context);
    case "failed":
      return fail(state, event, context);
    case "retired":
      return retire();
    case "erased":
      return unchanged(state);
    default:
      return stepForward(state, event, context);
  }
}

type Result = Exclude<
  RenewalEvent,
  | Failed
  | {
      type: "started" | "woke" | "connected" | "anchored" | "wanted" | "permitted" | "window" | "retired" | "erased";
    }
>;

/** A result moves the journal on only from the state that waits for it, and only about its key. */
function stepForward(state: SlotState, event: Result, context: Context): Reduction {
  const { journal } = state;
  if (event.type === "keyReady") {
    const isStray = referencedKeys(state).includes(event.key.id);
    if (journal.at !== "intended" || journal.generation !== event.generation || isStray) return unchanged(state);
    const isGivenUp = state.reenrolment > 0 && state.reenrolment !== event.generation;
    if (isGivenUp) return moveOn(state, { at: "abandoned", key: event.key }, context);
    return moveOn(state, { at: "keyGenerated", generation: event.generation, key: event.key }, context);
  }
  if (pendingKey(journal)?.id !== event.keyId) return unchanged(state);
  if ("round" in event && event.round !== state.rollbacks) return unchanged(state);
  switch (event.type) {
    case "csrReady":
      if (journal.at !== "keyGenerated") return unchanged(state);
      return moveOn(state, { ...journal, at: "requested", csr: event.csr }, context);
    case "issued":
      if (journal.at !== "requested") return unchanged(state);
      return take(state, credentialOf(journal, event.issued), context);
    case "installed":
      // Two journal states and one durable write between each: `proving` says that the controller may have seen the new key.
      if (journal.at !== "issued") return unchanged(state);
      return moveOn(state, { at: "installed", next: journal.next }, context);
    case "reloaded":
      if (journal.at !== "installed") return unchanged(state);
      return moveOn(state, { at: "reloaded", next: journal.next }, context);
    case "verified":
      if (journal.at !== "reloaded") return unchanged(state);
      return moveOn(state, { at: "proving", next: journal.next }, context);
    case "restored":
      if (journal.at !== "restoring") return unchanged(state);
      return journal.isGivenUp
        ? discard(state, journal.next.key, context)
        : tryAgainLater(state, journal.next, context);
    case "proven":
      return journal.at === "proving" ? confirm(state, journal.next, event.grace, context) : unchanged(state);
    case "destroyed":
      if (journal.at !== "oldRetired" && journal.at !== "abandoned") return unchanged(state);
      return journal.at === "oldRetired" ? moveOn(state, { at: "idle" }, context) : settle(state, context);
    default:
      return assertNever(event);
  }
}

/** Whoever asked with success is the last one proven; an unproven one that did not ask is of no use any more. */
function take(state: SlotState, next: CredentialRecord, context: Context): Reduction {
  const { unproven } = state;
  // A claim asked, and says nothing of who was proven last: all that is held stays until the new one is.
  if (unproven === undefined || state.reenrolment > 0) return moveOn(state, { at: "issued", next }, context);
  const asker = askerOf(state, next.generation);
  const settled: SlotState = { ...state, current: asker, unproven: undefined };
  const reduction = moveOn(settled, { at: "issued", next }, context);
  const useless = asker === unproven ? state.current : unproven;
  return useless === undefined
    ? reduction
    : { ...reduction, effects: [...reduction.effects, { do: "destroy", key: useless.key }] };
}

/** The old credential stays until the controller has confirmed the new one (I1). */
function confirm(state: SlotState, next: CredentialRecord, grace: Duration, context: Context): Reduction {
  const { current: old } = state;
  const bounded = Math.min(Math.max(0, grace), maxGrace);
  const journal: Journal =
    old === undefined ? { at: "idle" } : { at: "confirmed", old, grace: bounded, until: context.moment.now + bounded };
  const { unproven: useless } = state;
  const settled = {
    unproven: undefined,
    plan: undefined,
    abandoned: 0,
    rollbacks: 0,
    rollbackCause: "",
    rollbackAt: 0,
  };
  const proven: SlotState = { ...state, ...settled, current: next, reenrolment: 0 };
  const reduction = moveOn(proven, journal, context);
  const effects: Effect[] = [{ do: "expose", credential: next }, ...reduction.effects];
  return { ...reduction, effects: useless === undefined ? effects : [...effects, { do: "destroy", key: useless.key }] };
}

function start(state: SlotState, context: Context): Reduction {
  const upTo = state.current?.generation ?? 0;
  const effects: Effect[] = [{ do: "collect", keep: referencedKeys(state), upTo }];
  // A service that is being switched is told what to serve by the step that is under way, and by nothing else.
  const isSwitching =
    isServing(context) && ["installed", "reloaded", "restoring", "proving"].includes(state.journal.at);
  if (state.current !== undefined && !isSwitching) effects.push({ do: "expose", credential: state.current });
  const isBackingOff = state.attempts > 0 && !isWaiting(state.journal, context);
  if (isBackingOff) return { state, effects: [...effects, pause(state, context, 0)] };
  const reduction = proceed(state, context);
  return { ...reduction, effects: [...effects, ...reduction.effects] };
}

function wake(state: SlotState, context: Context): Reduction {
  // The sleep was measured by a clock that only grows; what the wall clock says now does not lengthen the grace.
  if (state.journal.at === "confirmed") return retireOld(state, state.journal.old, context);
  const { current, journal } = state;
  const hasNoWayIn = journal.at === "idle" && !context.moment.isAnchored;
  // Time enough has passed to connect; an expired credential never will, and no session can vouch for the time.
  if (hasNoWayIn && current !== undefined && context.moment.now > current.notAfter) return intend(state, context);
  return proceed(state, context);
}

function want(state: SlotState, context: Context): Reduction {
  const { journal } = state;
  if (journal.at === "idle") return intend(state, context);
  // The service did not take this certificate; a person who asks again may have had another made possible.
  if (journal.at === "issued" && state.rollbacks > 0) return abandon(state, context);
  return isWaiting(journal, context) ? unchanged(state) : proceed(state, context);
}

/** A person's permission stands above what was under way; the old credential stays in use until the new one is proven (I1). */
function enrolAnew(state: SlotState, generation: number, context: Context): Reduction {
  const permitted = permit(state, generation);
  return permitted === state ? unchanged(state) : proceed(permitted, context);
}

function assignWindow(state: SlotState, window: RenewalWindow | undefined, context: Context): Reduction {
  // The rules may be others although the window is the same.
  const assigned: SlotState = isSameWindow(state.window, window) ? state : { ...state, window };
  return state.journal.at === "idle" ? proceed(assigned, context) : { state: assigned, effects: [] };
}

/** What the state asks for now. */
function proceed(state: SlotState, context: Context): Reduction {
  const { journal } = state;
  switch (journal.at) {
    case "retired":
      return unchanged(state);
    case "idle":
      return waitForPlan(state, context);
    case "confirmed": {
      // Whatever the clock did meanwhile, the rest of the grace is between nothing and all of it.
      const rest = Math.min(Math.max(0, journal.until - context.moment.now), journal.grace);
      return { state, effects: [{ do: "sleep", duration: rest }] };
    }
    case "installed":
      if (isServing(context)) break;
      return moveOn(state, { at: "proving", next: journal.next }, context);
    case "issued":
      // The controller never saw it in use, and the service serves what it served before.
      if (isServing(context) && isSpent(state, journal.next, context.moment)) return abandon(state, context);
      break;
    case "proving":
      if (isSpent(state, journal.next, context.moment)) return doubt(state, journal.next, context);
      break;
    default:
  }
  return { state, effects: [effectOf(state, journal, context)] };
}

/** Nothing is given up: which of the two the controller takes for the last proven shows when either asks for the next. */
function doubt(state: SlotState, unproven: CredentialRecord, context: Context): Reduction {
  return settle({ ...state, unproven, reenrolment: 0, abandoned: 0 }, context);
}

function waitForPlan(state: SlotState, context: Context): Reduction {
  const { current } = state;
  if (state.reenrolment > 0) return intend(state, context);
  if (current === undefined || state.unproven !== undefined) {
    return state.abandoned > 0 || state.unproven !== undefined ? intend(state, context) : unchanged(state);
  }
  const plan = planRenewal(state, current, context.moment);
  const planned = plan === state.plan ? state : { ...state, plan };
  const { moment, settings } = context;
  // A key in another key store than it should be is replaced as soon as the rules allow: that store may soon be gone.
  const at = isMoving(state, settings) ? Math.min(plan.at, moment.now) : plan.at;
  const rest = renewalMoment({ at }, current, { rules: settings.rules, now: moment.now }) - moment.now;
  // A clock nobody vouched for starts no rotation; a session soon vouches for one, if the credential still opens any.
  if (rest <= 0 && moment.isAnchored) return intend(planned, context);
  const isOverByTheClock = !moment.isAnchored && moment.now > current.notAfter;
  const patience = isOverByTheClock ? connectPatience : settings.lookAgainAfter;
  const duration = rest <= 0 ? patience : Math.min(rest, settings.lookAgainAfter);
  return { state: planned, effects: [{ do: "sleep", duration }] };
}

function intend(state: SlotState, context: Context): Reduction {
  // Of two that may be the last proven, each asks in its turn.
  const asker = state.unproven !== undefined && state.abandoned % 2 === 0 ? state.unproven : state.current;
  const generation = state.reenrolment > 0 ? state.reenrolment : (asker?.generation ?? 0) + 1;
  const journal: Journal = { at: "intended", generation };
  const collect: Effect = { do: "collect", keep: referencedKeys(state), upTo: state.current?.generation ?? 0 };
  const reduction = proceed({ ...state, journal, attempts: 0 }, context);
  return { ...reduction, effects: [collect, ...reduction.effects] };
}

function retireOld(state: SlotState, old: CredentialRecord, context: Context): Reduction {
  return moveOn(state, { at: "oldRetired", key: old.key }, context);
}

function moveOn(state: SlotState, journal: Journal, context: Context): Reduction {
  const next: SlotState = { ...state, journal, attempts: 0, lastError: "", lastReason: "" };
  const reduction = proceedOnce(next, context);
  return { ...reduction, effects: [...reduction.effects, { do: "report" }] };
}

/** `installed` is made durable by itself before `proving` is; the runner wakes it at once. */
function proceedOnce(state: SlotState, context: Context): Reduction {
  const isToBeProven = state.journal.at === "installed" && !isServing(context);
  return isToBeProven ? { state, effects: [{ do: "sleep", duration: 0 }] } : proceed(state, context);
}

function fail(state: SlotState, failure: Failed, context: Context): Reduction {
  if (!isAbout(state, failure, context)) return unchanged(state);
  const failed: SlotState = {
    ...state,
    attempts: Math.min(state.attempts + 1, maxAttempts),
    lastError: failure.code,
    lastReason: failure.reason.slice(0, maxReasonLength),
  };
  const { journal } = state;
  const consequence = consequenceOf(failed, failure.doing, context);
  switch (consequence) {
    case "abandon":
      return abandon(failed, context);
    case "give-permission-back":
      return abandon({ ...failed, reenrolment: 0 }, context);
    case "settle":
      return settle(failed, context);
    case "move-later":
      return settle({ ...failed, abandoned: Math.min(failed.abandoned + 1, maxAttempts) }, context);
    case "doubt":
      return journal.at === "proving" ? doubt(failed, journal.next, context) : unchanged(state);
    case "roll-back": {
      if (!("next" in journal)) return unchanged(state);
      const rollbackCause = `${failure.doing}: ${failed.lastError}: ${failed.lastReason}`.slice(0, maxReasonLength);
      const noted: SlotState = { ...failed, rollbackCause, rollbackAt: Math.round(context.moment.now) };
      return goBack(noted, { at: "restoring", next: journal.next, isGivenUp: false }, context);
    }
    case "again":
      return { state: failed, effects: [pause(failed, context, failure.retryAfter), { do: "report" }] };
    default:
      return assertNever(consequence);
  }
}

/** The service goes back to what it served before; a new credential that is not given up is kept for another try. */
function goBack(state: SlotState, journal: Extract<Journal, { at: "restoring" }>, context: Context): Reduction {
  const reduction = proceed({ ...state, journal, attempts: 0, rollbacks: state.rollbacks + 1 }, context);
  return { ...reduction, effects: [...reduction.effects, { do: "report" }] };
}

/** A certificate that did not serve is tried again at a pace that slows down: what was wrong may be the service's configuration. */
function tryAgainLater(state: SlotState, next: CredentialRecord, context: Context): Reduction {
  const waiting: SlotState = {
    ...state,
    journal: { at: "issued", next },
    attempts: Math.min(state.rollbacks, maxAttempts),
  };
  return { state: waiting, effects: [pause(waiting, context, 0), { do: "report" }] };
}

/** Gives this attempt up; a service whose files may be the new ones gets those of before back first. */
function abandon(state: SlotState, context: Context): Reduction {
  const { journal } = state;
  const key = pendingKey(journal);
  if (key === undefined) return unchanged(state);
  if (journal.at !== "issued" || !isServing(context)) return discard(state, key, context);
  return goBack(state, { at: "restoring", next: journal.next, isGivenUp: true }, context);
}

/** The key that came to nothing is destroyed, and the same generation is tried again with another. */
function discard(state: SlotState, key: KeyRecord, context: Context): Reduction {
  const abandoned = Math.min(state.abandoned + 1, maxAttempts);
  const reduction = proceed({ ...state, journal: { at: "abandoned", key }, attempts: 0, abandoned }, context);
  return { ...reduction, effects: [...reduction.effects, { do: "report" }] };
}

/** Ends an attempt without a next step; how long until another one grows with how many came to nothing. */
function settle(state: SlotState, context: Context): Reduction {
  const idle: SlotState = { ...state, journal: { at: "idle" }, attempts: 0 };
  return { state: idle, effects: [pause({ attempts: state.abandoned }, context, 0), { do: "report" }] };
}

function pause({ attempts }: { readonly attempts: number }, context: Context, retryAfter: Duration): Effect {
  return { do: "sleep", duration: pauseAfter(attempts, context, retryAfter) };
}

function pauseAfter(attempts: number, { moment, settings }: Context, retryAfter: Duration): Duration {
  return backoff(settings.backoff, { attempts, jitter: moment.jitter, retryAfter });
}

function isAbout(state: SlotState, { doing, keyId }: Failed, context: Context): boolean {
  const { journal } = state;
  if (isWaiting(journal, context) || effectOf(state, journal, context).do !== doing) return false;
  return journal.at === "intended" || pendingKey(journal)?.id === keyId;
}

function isSpentProof({ journal, ...rest }: SlotState, { moment }: Context): boolean {
  return journal.at === "proving" && isSpent({ journal, ...rest }, journal.next, moment);
}

function credentialOf({ generation, key }: { generation: number; key: CredentialRecord["key"] }, issued: IssuedRecord) {
  return { generation, key, ...issued };
}

function unchanged(state: SlotState): Reduction {
  return { state, effects: [] };
}

/** How long a session may take to come before a credential that looks expired is taken for that. */
const connectPatience: Duration = 60_000;
/** 7 days: a grace longer than that only keeps a key that nobody needs. */
const maxGrace: Duration = 604_800_000;
const maxAttempts = 30;
const maxReasonLength = 300;
