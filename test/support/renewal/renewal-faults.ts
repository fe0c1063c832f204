import type { Duration } from "@fleetcert/shared";
import type { Effect } from "../../../agent/src/renewal/effect.ts";
import type { RenewalEvent } from "../../../agent/src/renewal/event.ts";
import type { reduce } from "../../../agent/src/renewal/reduce.ts";
import { noRules } from "../../../agent/src/renewal/schedule.ts";
import type { RenewalSettings } from "../../../agent/src/renewal/settings.ts";

/** What kind of slot lives in the world: one proven by a session, one whose key store is changed now and then, one of a service. */
export type SlotKind = "identity" | "moving" | "service";

/** How the world may be broken on purpose, to see that the sweep notices. */
export interface RenewalFaults {
  readonly kind?: SlotKind;
  readonly reduce?: typeof reduce;
  /** A write that was acknowledged may be lost in a power cut. */
  readonly losesWrites?: boolean;
  /** A key left behind by a crash is not looked for. */
  readonly forgetsOrphans?: boolean;
}

/** Kinds of what goes wrong. */
export type FaultKind = "crash" | "network" | "token" | "clock" | "configuration";

/** None yet. */
export const noFaults: Readonly<Record<FaultKind, number>> = {
  crash: 0,
  network: 0,
  token: 0,
  clock: 0,
  configuration: 0,
};
/** Key stores the configuration may name. */
export const keyStores = ["software", "pkcs11:token=a", "tpm"];

/** The pace of the world's slot. */
export const renewalSettings: RenewalSettings = {
  backoff: { base: 5_000, cap: 900_000 },
  lookAgainAfter: 3_600_000,
  rules: noRules,
};

/** The event of an effect that failed. */
export function failure(effect: Effect, code: string, retryAfter: Duration = 0): RenewalEvent {
  const keyId = "key" in effect ? effect.key.id : "next" in effect ? effect.next.key.id : "";
  return { type: "failed", doing: effect.do, keyId, code, reason: "", retryAfter };
}

/** What a controller may refuse with, one of them unknown to this agent. */
export const refusals = ["rate-limited", "policy-violation", "device-suspended", "key-weak", "a-code-of-tomorrow"];
