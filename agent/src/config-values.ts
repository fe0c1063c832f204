import { type Duration, parseDuration } from "@fleetcert/shared";
import type { ConfigFile } from "./config.ts";

/** How long a slot's peers are taken for good by stale state; slots without a setting of their own take the common one. */
export function failOpenOf({ failOpenFor, slots }: ConfigFile["revocation"]): (slot: string | undefined) => Duration {
  const own = new Map(slots.map((one) => [one.slot, durationOf(one.failOpenFor)]));
  const common = durationOf(failOpenFor);
  return (slot) => (slot === undefined ? common : (own.get(slot) ?? common));
}

/** Whether revocation lists are kept beside snapshots. */
export function keepsLists({ revocation: { crl, outputs }, slots }: Pick<ConfigFile, "revocation" | "slots">): boolean {
  const isAsked = outputs.length > 0 || slots.some((slot) => slot.outputs.some(({ kind }) => kind === "crl"));
  return crl === "always" || (crl === "auto" && isAsked);
}

/** Milliseconds of a duration setting. */
export const durationOf = (text: string): Duration => parseDuration(text);
