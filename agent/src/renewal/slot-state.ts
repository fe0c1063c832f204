import type { Duration, Instant } from "@fleetcert/shared";

/** What the agent durably knows of one slot. Written whole before any effect that follows from it. */
export interface SlotState {
  /** The credential in use; undefined until the first one is proven. */
  readonly current: CredentialRecord | undefined;
  readonly journal: Journal;
  /**
   * A credential that expired before the answer to its proof came: nobody here knows whether the controller takes it or the
   * current one for the last proven. Both keys stay until a new credential is proven.
   */
  readonly unproven: CredentialRecord | undefined;
  /** The generation a person permitted to enrol anew, by a claim instead of the old credential; 0 when none is. */
  readonly reenrolment: number;
  /** The window the controller last assigned. */
  readonly window: RenewalWindow | undefined;
  /** When the next generation is due and why; chosen once per window, so that restarts do not choose again. */
  readonly plan: RenewalPlan | undefined;
  /** Failures in a row since the journal last moved on. */
  readonly attempts: number;
  /** Attempts given up since the last credential was proven; they slow down the next. */
  readonly abandoned: number;
  /** How often the service went back to the files of before since the last credential was proven. */
  readonly rollbacks: number;
  /** Why it did so last: step, code and message, for people; empty when it did not. */
  readonly rollbackCause: string;
  /** When it did so last, by the estimated time; 0 when it did not. */
  readonly rollbackAt: Instant;
  /** Code of the last failure; empty when the last step succeeded. */
  readonly lastError: string;
  /** What the last failure said, for people. */
  readonly lastReason: string;
}

/** A key of the provider, as the journal names it. */
export interface KeyRecord {
  readonly ref: string;
  /** SHA-256 of the SPKI, lower-case hex; the key's CKA_ID. */
  readonly id: string;
}

/** A key with the certificate issued for it. */
export interface CredentialRecord {
  readonly generation: number;
  readonly key: KeyRecord;
  /** DER. */
  readonly certificate: Uint8Array;
  /** DER, issuing CA first, root last. */
  readonly chain: readonly Uint8Array[];
  readonly notBefore: Instant;
  readonly notAfter: Instant;
}

/**
 * Where a rotation stands (DESIGN.md section 6). `intended` names the generation before its key exists. A service's slot passes
 * through `reloaded` before it is proven; `restoring` says that the files of before are being put back.
 */
export type Journal =
  | { readonly at: "idle" }
  | { readonly at: "intended"; readonly generation: number }
  | { readonly at: "keyGenerated"; readonly generation: number; readonly key: KeyRecord }
  | { readonly at: "requested"; readonly generation: number; readonly key: KeyRecord; readonly csr: Uint8Array }
  | { readonly at: "issued"; readonly next: CredentialRecord }
  | { readonly at: "installed"; readonly next: CredentialRecord }
  | { readonly at: "reloaded"; readonly next: CredentialRecord }
  /** Given up: not another try follows, but the end of the new key. */
  | { readonly at: "restoring"; readonly next: CredentialRecord; readonly isGivenUp: boolean }
  | { readonly at: "proving"; readonly next: CredentialRecord }
  | { readonly at: "confirmed"; readonly old: CredentialRecord; readonly grace: Duration; readonly until: Instant }
  | { readonly at: "oldRetired"; readonly key: KeyRecord }
  /** A key that came to nothing and is about to be destroyed. */
  | { readonly at: "abandoned"; readonly key: KeyRecord }
  /** The fleet's operator retired the device: no credential, and no key as soon as they are erased. */
  | { readonly at: "retired"; readonly isErased: boolean };

/** Name of a journal state, as reports show it. */
export type JournalName = Journal["at"];

/** Every journal state, in order. */
export const journalNames: readonly JournalName[] = [
  "idle",
  "intended",
  "keyGenerated",
  "requested",
  "issued",
  "installed",
  "reloaded",
  "restoring",
  "proving",
  "confirmed",
  "oldRetired",
  "abandoned",
  "retired",
];

/** The point in time chosen for the next generation. */
export interface RenewalPlan {
  readonly generation: number;
  readonly at: Instant;
  /** The window it was chosen in; undefined when it follows from the certificate's age. */
  readonly window: RenewalWindow | undefined;
}

/** A window the controller assigned (semantics of RFC 9773). */
export interface RenewalWindow {
  readonly generation: number;
  readonly start: Instant;
  readonly end: Instant;
}

/** A slot that never had a credential. */
export const emptySlot: SlotState = {
  current: undefined,
  journal: { at: "idle" },
  unproven: undefined,
  reenrolment: 0,
  window: undefined,
  plan: undefined,
  attempts: 0,
  abandoned: 0,
  rollbacks: 0,
  rollbackCause: "",
  rollbackAt: 0,
  lastError: "",
  lastReason: "",
};

/** The generation the journal works on, or the one in use; 0 before the first. */
export function generationUnderWay({ journal, current }: SlotState): number {
  if ("generation" in journal) return journal.generation;
  return "next" in journal ? journal.next.generation : (current?.generation ?? 0);
}

/** What a slot needs a key for. */
export type KeyRole = "current" | "unproven" | "pending" | "old";

/** The keys the state refers to, with what each is needed for. */
export function keyRoles({
  current,
  unproven,
  journal,
}: SlotState): { readonly role: KeyRole; readonly key: KeyRecord }[] {
  const keys = {
    current: current?.key,
    unproven: unproven?.key,
    pending: pendingKey(journal),
    old: journal.at === "confirmed" ? journal.old.key : undefined,
  };
  return Object.entries(keys).flatMap(([role, key]) => (key === undefined ? [] : [{ role: role as KeyRole, key }]));
}

/** Ids of the keys the state refers to; every other key of the slot is an orphan. */
export function referencedKeys(state: SlotState): string[] {
  return keyRoles(state).map(({ key }) => key.id);
}

/** The credential that asks for a generation: the one before it. Undefined where a claim asks: for the first, and anew. */
export function askerOf(
  { current, unproven, reenrolment }: SlotState,
  generation: number,
): CredentialRecord | undefined {
  if (reenrolment === generation) return undefined;
  return [unproven, current].find((one) => one?.generation === generation - 1);
}

/** The key of the generation under way, or the one about to be destroyed. */
export function pendingKey(journal: Journal): KeyRecord | undefined {
  switch (journal.at) {
    case "keyGenerated":
    case "requested":
    case "oldRetired":
    case "abandoned":
      return journal.key;
    case "issued":
    case "installed":
    case "reloaded":
    case "restoring":
    case "proving":
      return journal.next.key;
    default:
      return undefined;
  }
}

/** Whether the slot of a retired device has erased its keys. */
export function isErased({ journal }: SlotState): boolean {
  return journal.at === "retired" && journal.isErased;
}
