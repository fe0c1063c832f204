import type { Duration } from "@fleetcert/shared";
import type { Effect } from "./effect.ts";
import type { RenewalEvent } from "./event.ts";
import { emptySlot, type SlotState } from "./slot-state.ts";

/** The controller retired the device, and said so verifiably: from here on only its keys are erased. */
export function retire(): { readonly state: SlotState; readonly effects: readonly Effect[] } {
  return { state: { ...emptySlot, journal: { at: "retired", isErased: false } }, effects: [{ do: "erase" }] };
}

/** Whatever comes, a retired slot erases its keys, tries again until it has, and then does nothing any more. */
export function stayRetired(
  state: SlotState,
  event: RenewalEvent,
  pauseAfter: (attempts: number) => Duration,
): { readonly state: SlotState; readonly effects: readonly Effect[] } {
  const { journal } = state;
  if (journal.at !== "retired" || journal.isErased) return { state, effects: [] };
  if (event.type === "started" || event.type === "woke") return { state, effects: [{ do: "erase" }] };
  if (event.type === "erased") {
    return { state: { ...emptySlot, journal: { at: "retired", isErased: true } }, effects: [] };
  }
  if (event.type !== "failed" || event.doing !== "erase") return { state, effects: [] };
  const attempts = Math.min(state.attempts + 1, maxAttempts);
  const failed = { ...state, attempts, lastError: event.code, lastReason: event.reason.slice(0, maxReasonLength) };
  return { state: failed, effects: [{ do: "sleep", duration: pauseAfter(attempts) }] };
}

const maxAttempts = 30;
const maxReasonLength = 300;
