import { decodeEnvelope, decodeTrustBundle } from "@fleetcert/proto";
import { sha256Hex } from "@fleetcert/shared";

/** Of all bundle versions those a device must see in turn: every one that changed the roots, and the newest. */
export function walkOf(envelopes: readonly Uint8Array[]): readonly Uint8Array[] {
  const roots = envelopes.map((envelope) => rootsOf(envelope));
  return envelopes.filter((_, index) => {
    const isNewest = index === envelopes.length - 1;
    return isNewest || (index > 0 && roots[index] !== roots[index - 1]);
  });
}

function rootsOf(envelope: Uint8Array): string {
  return decodeTrustBundle(decodeEnvelope(envelope).payload)
    .roots.map((der) => sha256Hex(der))
    .sort()
    .join();
}
