import type { Journal, SlotState } from "./slot-state.ts";

/**
 * A person permitted this device to enrol anew, from this generation on. What was under way under the old credential is given up;
 * the old credential itself stays until the new one is proven. The same state when the permission is not new.
 */
export function permit(state: SlotState, generation: number): SlotState {
  const { journal } = state;
  const held = [state.current, state.unproven, "next" in journal ? journal.next : undefined];
  const known = Math.max(...held.map((one) => one?.generation ?? 0));
  if (journal.at === "retired" || state.reenrolment === generation || known >= generation) return state;
  const permitted: SlotState = { ...state, reenrolment: generation, attempts: 0, lastError: "", lastReason: "" };
  if ("next" in journal) {
    // The controller may have seen this one in use: it is kept, as any that is in doubt. Of two in doubt the later stays.
    const earlier = state.unproven?.key;
    const settled: Journal = earlier === undefined ? { at: "idle" } : { at: "abandoned", key: earlier };
    return { ...permitted, unproven: journal.next, journal: settled };
  }
  return { ...permitted, journal: givenUp(journal) };
}

/**
 * A key that was certified under the old credential may be revoked with it; the new generation takes another. One that is only
 * intended is waited for, so that it is not left behind.
 */
function givenUp(journal: Journal): Journal {
  switch (journal.at) {
    case "keyGenerated":
    case "requested":
      return { at: "abandoned", key: journal.key };
    default:
      return journal;
  }
}
