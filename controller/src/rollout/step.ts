import type { Duration, Instant } from "@fleetcert/shared";
import type { ConnectivityClass } from "../records.ts";
import type { RolloutDeviceState, RolloutRecord } from "../rotation-records.ts";

/** What is known of one device of the waves begun so far. */
export interface DeviceFacts {
  readonly device: string;
  readonly wave: number;
  /** As it was last decided. */
  readonly state: RolloutDeviceState;
  /** The generation asked for is proven in use. */
  readonly isProven: boolean;
  /** Why it counts as failed; undefined while it does not. */
  readonly failure: string | undefined;
  /** It was in contact since it was asked. */
  readonly wasInContact: boolean;
  /** Neither suspended nor retired. */
  readonly isAble: boolean;
  readonly connectivity: ConnectivityClass;
}

/** What is to be done next; carried out in this order. */
export type Decision =
  | {
      readonly do: "mark";
      readonly device: string;
      readonly state: "proven" | "failed" | "skipped";
      readonly reason: string;
    }
  | { readonly do: "ask"; readonly devices: readonly string[] }
  /** The wave has passed its gates, or no longer does. */
  | { readonly do: "soak"; readonly since: Instant | undefined }
  | { readonly do: "begin-wave"; readonly wave: number }
  | { readonly do: "complete" }
  | { readonly do: "pause"; readonly reason: string }
  | { readonly do: "roll-back"; readonly reason: string };

/**
 * The next step of a rollout under way. Pure: the state and what is known of the devices decide, so that a restart goes on where
 * the one before stood, and carrying a step out twice changes nothing.
 *
 * Failures are judged first, over every wave begun: as soon as there is one more than is borne, nobody else is asked (I13).
 * That holds while it is paused too: a canary that failed meanwhile is not forgotten because it recovered before the person resumes.
 */
export function stepRollout(rollout: RolloutRecord, facts: readonly DeviceFacts[], now: Instant): Decision[] {
  if (rollout.state !== "running" && rollout.state !== "paused") return [];
  const { gates, wave } = rollout;
  const judged = facts.map((one) => ({ ...one, state: judge(one) }));
  const marks = judged.flatMap((one, index) => markOf(one, facts[index] as DeviceFacts));
  const failed = judged.filter(({ state }) => state === "failed");
  if (failed.length > gates.maxFailures) {
    const [first] = failed;
    const reason = `${failed.length} failed, ${gates.maxFailures} are borne; ${first?.device}: ${reasonOf(first, facts)}`;
    return [...marks, { do: "roll-back", reason }];
  }
  if (rollout.state === "paused") return marks;
  const present = judged.filter((one) => one.wave === wave);
  const waiting = present.filter(({ state }) => state === "waiting").map(({ device }) => device);
  if (waiting.length > 0) return [...marks, { do: "ask", devices: waiting }];
  return [...marks, ...judgeWave(rollout, present, now)];
}

type Judged = Omit<DeviceFacts, "state"> & { readonly state: RolloutDeviceState };

function judgeWave(rollout: RolloutRecord, present: readonly Judged[], now: Instant): Decision[] {
  const { gates, wave, soakingSince } = rollout;
  const counted = present.filter((one) => isCounted(one));
  const proven = counted.filter(({ state }) => state === "proven").length;
  const isSkipped = present.every(({ state }) => state === "skipped");
  const hasPassed = isSkipped || (counted.length > 0 && proven * 100 >= gates.provenPercent * counted.length);
  if (!hasPassed) {
    if (now - (rollout.waveStartedAt ?? now) >= longestTime(gates.within, present, counted)) {
      const what =
        counted.length === 0 ? "nobody was in contact" : `${proven} of ${counted.length} in contact are proven`;
      return [{ do: "pause", reason: `wave ${rollout.waves[wave]?.name} did not pass in time: ${what}` }];
    }
    return soakingSince === undefined ? [] : [{ do: "soak", since: undefined }];
  }
  if (soakingSince === undefined && gates.soak > 0) return [{ do: "soak", since: now }];
  if (now - (soakingSince ?? now) < gates.soak) return [];
  return wave + 1 < rollout.waves.length ? [{ do: "begin-wave", wave: wave + 1 }] : [{ do: "complete" }];
}

/** A wave of which nobody has come yet has at least the time that the soonest of its devices needs to come by itself. */
function longestTime(within: Duration, present: readonly Judged[], counted: readonly Judged[]): Duration {
  const awaited = present.filter(({ state }) => state === "asked");
  if (counted.length > 0 || awaited.length === 0) return within;
  return Math.max(within, Math.min(...awaited.map(({ connectivity }) => comesWithin[connectivity])));
}

/** Those that could not be asked do not count, nor those that were not in contact since. */
function isCounted({ state, wasInContact }: Judged): boolean {
  return state === "proven" || state === "failed" || (state === "asked" && wasInContact);
}

function judge({ state, isProven, failure, isAble }: DeviceFacts): RolloutDeviceState {
  if (state === "waiting") return isAble ? "waiting" : "skipped";
  if (state !== "asked") return state;
  // A proof counts more than what went wrong on the way to it.
  if (isProven) return "proven";
  return failure === undefined ? "asked" : "failed";
}

function markOf({ state, device }: Judged, before: DeviceFacts): Decision[] {
  if (state === before.state || (state !== "proven" && state !== "failed" && state !== "skipped")) return [];
  const reason = state === "failed" ? (before.failure ?? "") : state === "skipped" ? "suspended or retired" : "";
  return [{ do: "mark", device, state, reason }];
}

function reasonOf(failed: Judged | undefined, facts: readonly DeviceFacts[]): string {
  return facts.find(({ device }) => device === failed?.device)?.failure ?? "";
}

const day: Duration = 86_400_000;
/** How long a device of a class may stay away before that says something. */
const comesWithin: Readonly<Record<ConnectivityClass, Duration>> = {
  ...{ always: 0, daily: 2 * day, rare: 14 * day, courier: 60 * day },
};
