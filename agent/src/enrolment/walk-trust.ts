import { acceptTrustBundle, compareTrust, decodeEnvelope, decodeTrustBundle, type TrustBundle } from "@fleetcert/proto";
import { FleetError, sha256Hex } from "@fleetcert/shared";

/** Where the walk begins: a bundle in force, or the pinned root of the claim. */
export type TrustStart = { readonly bundle: TrustBundle } | { readonly rootSha256: string; readonly fleet: string };

/** The bundle the walk ends at, and the envelopes that led there, oldest first. */
export interface TrustWalk {
  readonly bundle: TrustBundle;
  readonly accepted: readonly Uint8Array[];
}

/**
 * Walks trust bundles, oldest first, from what is trusted to the newest; those at or before the start are passed over, and
 * those from before a pinned root was one. Throws `trust-invalid` when a step does not hold, or when a pinned root leads to no
 * bundle at all.
 */
export function walkTrust(envelopes: readonly Uint8Array[], start: TrustStart): TrustWalk {
  let known: TrustBundle | undefined = "bundle" in start ? start.bundle : undefined;
  const accepted: Uint8Array[] = [];
  for (const envelope of envelopes) {
    const offered = decodeTrustBundle(decodeEnvelope(envelope).payload);
    if (known === undefined ? isBefore(offered, start) : compareTrust(offered, known) <= 0) continue;
    known = acceptTrustBundle(envelope, known === undefined ? start : { bundle: known });
    accepted.push(envelope);
  }
  if (known === undefined)
    throw new FleetError("trust-invalid", "the answer holds no trust bundle of the root that is pinned");
  return { bundle: known, accepted };
}

/** Whether a bundle knows nothing of the pinned root; it proves nothing then, and nothing is taken of it. */
function isBefore({ roots }: TrustBundle, start: TrustStart): boolean {
  return "rootSha256" in start && roots.every((der) => sha256Hex(der) !== start.rootSha256);
}
