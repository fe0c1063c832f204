import { fromNow, type Instant, when } from "@fleetcert/shared";
import type { EndorsementKeyView } from "./read-endorsement-key.ts";

/** An endorsement key as a person is shown it. */
export function endorsementRows(
  { sha256, algorithm, certificate }: EndorsementKeyView,
  now: Instant,
): [string, string][] {
  const key: [string, string][] = [
    ["sha256", sha256],
    ["kind", algorithm],
  ];
  if (certificate === undefined)
    return [...key, ["certificate", "none; the controller has to list the sha256 in attestation.endorsementKeys"]];
  const { issuer, serial, notAfter, manufacturer, model, firmware } = certificate;
  return [
    ...key,
    ["certificate", certificate.sha256],
    ["issuer", issuer],
    ["serial", serial],
    ["valid", `until ${when(notAfter)} (${fromNow(notAfter, now)})`],
    ["manufacturer", manufacturer || "not said"],
    ["model", model || "not said"],
    ["firmware", firmware || "not said"],
  ];
}
