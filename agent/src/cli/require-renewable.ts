import { FleetError } from "@fleetcert/shared";
import type { SlotState } from "../renewal/slot-state.ts";

/** A renewal that a person asks for: of which slot, and the generation it brings. */
export interface WantedRenewal {
  readonly slot: string;
  readonly generation: number;
}

/**
 * The renewal of a slot that may begin now. Pure. Throws `not-found` for a slot this device does not have, `device-retired`, or
 * `conflict` while a rotation is under way that may still succeed.
 */
export function requireRenewable(states: Readonly<Record<string, SlotState>>, slot: string): WantedRenewal {
  const state = Object.hasOwn(states, slot) ? states[slot] : undefined;
  if (state === undefined) {
    throw new FleetError("not-found", `this device has no slot "${slot.slice(0, 64)}"`, {
      hint: `it has ${Object.keys(states).join(", ")}; further ones are declared under slots in the agent's config.yaml`,
    });
  }
  const { journal, rollbacks, current } = state;
  if (journal.at === "retired") {
    throw new FleetError("device-retired", "this device is retired: it gets no certificate any more");
  }
  // A service that took neither the new certificate nor the old one back waits long before the next try; a person may know better.
  const isStuck = (journal.at === "issued" || journal.at === "restoring") && rollbacks > 0;
  if (journal.at !== "idle" && !isStuck) {
    const isInGrace = journal.at === "confirmed" || journal.at === "oldRetired";
    throw new FleetError("conflict", `a rotation of ${slot} is under way: ${journal.at}`, {
      hint: isInGrace
        ? "the new certificate is in use; another rotation can begin when the old one's grace is over"
        : "fleetcert-agent status shows how far it is",
    });
  }
  return { slot, generation: (current?.generation ?? 0) + 1 };
}
