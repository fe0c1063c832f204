import { assertNever } from "@fleetcert/shared";
import type { Effect } from "./effect.ts";
import type { Moment } from "./event.ts";
import { keyStoreOf } from "./key-store.ts";
import { isDueByAge } from "./schedule.ts";
import { isMoving, type RenewalSettings } from "./settings.ts";
import { askerOf, type Journal, referencedKeys, type SlotState } from "./slot-state.ts";

/** What the reducer decides by, beside state and event. */
export interface Context {
  readonly moment: Moment;
  readonly settings: RenewalSettings;
}

/** What a journal state asks for. */
export function effectOf(state: SlotState, journal: Exclude<Journal, Waiting>, context: Context): Effect {
  const { rollbacks: round } = state;
  switch (journal.at) {
    case "intended":
      return {
        do: "generate",
        generation: journal.generation,
        inUse: referencedKeys(state),
        upTo: Math.max(journal.generation, (state.unproven?.generation ?? 0) + 1),
        store: storeForNewKey(state, context),
      };
    case "keyGenerated":
      return { do: "makeCsr", key: journal.key };
    case "requested": {
      const { generation, key, csr } = journal;
      return { do: "request", generation, key, csr, asker: askerOf(state, generation) };
    }
    case "issued":
      return { do: "install", next: journal.next, round };
    case "installed":
      return { do: "reload", next: journal.next, round };
    case "reloaded":
      return { do: "verify", next: journal.next, round };
    case "restoring":
      return { do: "restore", next: journal.next, previous: state.current, round };
    case "proving":
      return { do: "prove", next: journal.next };
    case "oldRetired":
    case "abandoned":
      return { do: "destroy", key: journal.key };
    default:
      return assertNever(journal);
  }
}

/** Keys go to their home; while it does not take any, every other attempt of a certificate that is due stays where the old key is. */
function storeForNewKey(state: SlotState, { moment, settings }: Context): string | undefined {
  const { current, abandoned } = state;
  const isTurn = abandoned % 2 === 1 && current !== undefined && isMoving(state, settings);
  return isTurn && isDueByAge(current, moment.now) ? keyStoreOf(current.key.ref) : settings.home;
}

/** States in which no result of an effect is waited for; `installed` is one of them but for a service. */
type Waiting = { readonly at: "idle" | "confirmed" | "retired" };

/** Whether nothing is under way that could have a result. */
export function isWaiting(journal: Journal, context: Context): journal is Extract<Journal, Waiting> {
  return ["idle", "confirmed", "retired"].includes(journal.at) || (journal.at === "installed" && !isServing(context));
}

/** Whether a service of this host uses the credential. */
export function isServing({ settings }: Context): boolean {
  return settings.kind === "service";
}
