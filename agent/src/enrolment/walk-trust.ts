import { acceptTrustBundle, compareTrust, decodeEnvelope, decodeTrustBundle, type TrustBundle } from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";

/** Where the walk begins: a bundle in force, or the pinned root of the claim. */
export type TrustStart = { readonly bundle: TrustBundle } | { readonly rootSha256: string; readonly fleet: string };

/** The bundle the walk ends at, and the envelopes that led there, oldest first. */
export interface TrustWalk {
  readonly bundle: TrustBundle;
  readonly accepted: readonly Uint8Array[];
}

/**
 * Walks trust bundles, oldest first, from what is trusted to the newest; those at or before the start are passed over.
 * Throws `trust-invalid` when a step does not hold, or when a pinned root leads to no bundle at all.
 */
export function walkTrust(envelopes: readonly Uint8Array[], start: TrustStart): TrustWalk {
  let known: TrustBundle | undefined = "bundle" in start ? start.bundle : undefined;
  const accepted: Uint8Array[] = [];
  for (const envelope of envelopes) {
    if (known !== undefined && compareTrust(decodeTrustBundle(decodeEnvelope(envelope).payload), known) <= 0) continue;
    known = acceptTrustBundle(envelope, known === undefined ? start : { bundle: known });
    accepted.push(envelope);
  }
  if (known === undefined) throw new FleetError("trust-invalid", "the answer holds no trust bundle");
  return { bundle: known, accepted };
}
