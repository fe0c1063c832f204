import type { Duration, Instant } from "@fleetcert/shared";
import type { RevocationVerdict } from "./held-epoch.ts";

/**
 * How long past a head's nextUpdate a slot's peers still count as good when nothing says otherwise: fail-open for that long,
 * fail-closed from then on; 0 is fail-closed at once. Undefined asks for those that name no slot.
 */
export type FailOpenFor = (slot: string | undefined) => Duration;

/**
 * What a verdict is worth at a moment. Revoked stays revoked, however old the state; only good is doubtful when nobody can
 * have told of a revocation since.
 */
export function worthOf(
  verdict: RevocationVerdict,
  {
    now,
    nextUpdate,
    failOpenFor,
  }: { readonly now: Instant; readonly nextUpdate: Instant; readonly failOpenFor: Duration },
): RevocationVerdict {
  const isOver = now > nextUpdate + failOpenFor;
  return verdict.status === "good" && isOver ? { status: "unknown", why: "stale" } : verdict;
}
