import type { DesiredState } from "@fleetcert/proto";
import { noRules, type RenewalRules } from "./schedule.ts";
import type { RenewalWindow } from "./slot-state.ts";

/** The window the desired state assigns to a slot. */
export function windowOf(desired: DesiredState, slot: string): RenewalWindow | undefined {
  const found = desired.slots.find((one) => one.slot === slot);
  if (found === undefined || found.renewGeneration === 0) return undefined;
  return { generation: found.renewGeneration, start: found.windowStart, end: found.windowEnd };
}

/** What the desired state says of when a slot may be renewed. */
export function rulesOf(desired: DesiredState | undefined, slot: string): RenewalRules {
  const found = desired?.slots.find((one) => one.slot === slot);
  const { mode, earliest, renewBefore } = found ?? noRules;
  return { mode, earliest, renewBefore, maintenance: desired?.maintenance ?? [] };
}
