import type { ConnectivityClass } from "../records.ts";
import type { RolloutState } from "../rotation-records.ts";

/**
 * Where a rollover stands. `distributing`: both issuers are in the trust bundle and devices take it; `issuing`: the new one issues;
 * `reissuing`: devices are rotated in waves; `retiring`: nothing waits but the bundle without the old one.
 */
export type RolloverState = "distributing" | "issuing" | "reissuing" | "retiring" | "finished";

/** Per cent of each class that has to hold the bundle, by signed report, before the new issuer issues. */
export type Thresholds = Readonly<Record<ConnectivityClass, number>>;

/** Devices of one class and how many of them hold the bundle. */
export interface Holders {
  readonly connectivity: ConnectivityClass;
  readonly devices: number;
  /** By their signed reports. */
  readonly holding: number;
  /** Whose newest proven identity is of the new issuer. */
  readonly reissued: number;
}

/** What is to be done next with a rollover. */
export type RolloverDecision = "wait" | "switch" | "re-issue" | "retire";

/** The next step. Pure: state and facts decide, so that a restart goes on where the one before stood. */
export function judgeRollover(
  { state, thresholds }: { readonly state: RolloverState; readonly thresholds: Thresholds },
  { holders, rollout }: { readonly holders: readonly Holders[]; readonly rollout: RolloutState | undefined },
): RolloverDecision {
  switch (state) {
    case "distributing":
      return holders.every((one) => isReached(one, thresholds)) ? "switch" : "wait";
    case "issuing":
      return "re-issue";
    case "reissuing":
      return rollout === "completed" ? "retire" : "wait";
    default:
      return "wait";
  }
}

/** Whether enough devices of a class hold the bundle; a class nobody is in is no hindrance. */
function isReached({ connectivity, devices, holding }: Holders, thresholds: Thresholds): boolean {
  return holding * 100 >= thresholds[connectivity] * devices;
}
