import { type ExpectedName, FleetError, sha256Hex, validatePath } from "@fleetcert/shared";
import type { CredentialRecord } from "../renewal/slot-state.ts";
import type { DeploymentParts } from "./service-actions.ts";

/**
 * Looks once whether the service serves the credential: the very certificate, and a chain to a root of the fleet that holds now;
 * for one that is only put back, dates are not judged. Throws `path-invalid`, or as the probe does.
 */
export async function requireServed(
  { certificate, chain }: CredentialRecord,
  { service, serverName, trust, time, slot }: DeploymentParts,
  { isInForce, signal }: { readonly isInForce: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const expected = sha256Hex(certificate);
  const presented = await service.probe({ sha256: expected }, signal);
  if (presented === undefined) return;
  const [leaf, ...rest] = presented;
  const served = leaf === undefined ? "no certificate" : sha256Hex(leaf);
  if (leaf === undefined || served !== expected) {
    throw new FleetError("path-invalid", `the service of slot ${slot} serves ${served}, not ${expected}`, {
      hint: "look at the service's own log; it may not have taken the new files",
    });
  }
  const bundle = trust();
  const { at, status } = time.estimate();
  validatePath({
    leaf,
    // What the service itself presents has to do: its clients know no more than the roots.
    intermediates: rest,
    roots: bundle?.roots ?? chain.slice(-1),
    at: isInForce && status === "anchored" ? at : "ignore-dates",
    purpose: "serverAuth",
    ...(serverName !== "" && { name: nameOf(serverName) }),
  });
}

function nameOf(host: string): ExpectedName {
  const isAddress = host.includes(":") || /^[0-9]{1,3}(\.[0-9]{1,3}){3}$/.test(host);
  return isAddress ? { ip: host } : { dns: host };
}
