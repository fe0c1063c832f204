import type { Journal, SlotState } from "./slot-state.ts";

/**
 * A person permitted this device to enrol anew, from this generation on. What was under way under the old credential is given up;
 * the old credential itself stays until the new one is proven. The same state when the permission is not new.
 */
export function permit(state: SlotState, generation: number): SlotState {
  const { journal, current } = state;
  const known = "next" in journal ? journal.next.generation : (current?.generation ?? 0);
  if (journal.at === "retired" || state.reenrolment === generation || known >= generation) return state;
  const permitted: SlotState = { ...state, reenrolment: generation, attempts: 0, lastError: "", lastReason: "" };
  // The controller may have seen this one in use: it is kept, as any that is in doubt.
  if ("next" in journal) return { ...permitted, unproven: journal.next, journal: { at: "idle" } };
  return { ...permitted, journal: givenUp(journal) };
}

/** A key that was certified under the old credential may be revoked with it; the new generation takes another. */
function givenUp(journal: Journal): Journal {
  switch (journal.at) {
    case "intended":
      return { at: "idle" };
    case "keyGenerated":
    case "requested":
      return { at: "abandoned", key: journal.key };
    default:
      return journal;
  }
}
