import { isFleetError } from "@fleetcert/shared";
import type { Sample } from "../../adapters/metrics/metrics.ts";
import type { Transaction } from "../../store-port.ts";
import type { Duties } from "./wire-duties.ts";

/** How far the newest revocation has come, and which plans wait, as metrics. */
export async function propagationSamples({ revocation }: Duties, tx: Transaction): Promise<Sample[]> {
  const plans: Sample[] = [];
  for (const state of ["open", "granted", "running", "paused"] as const) {
    const { length } = await tx.plans.listInState(state, maxCounted);
    plans.push({ name: "fleetcert_plans", labels: { state }, value: length });
  }
  const newest = await revocation.reachIn(tx).catch((error: unknown) => {
    if (isFleetError(error, "not-found")) return undefined;
    throw error;
  });
  if (newest === undefined) return plans;
  const { issuer, blockedAtBroker, publishedAfter, via, behind } = newest;
  const quantiles = { "0.5": newest.p50, "0.95": newest.p95, "0.99": newest.p99, "1": newest.max };
  return [
    ...plans,
    { name: "fleetcert_revocation_epoch", labels: { issuer }, value: newest.epoch },
    { name: "fleetcert_revocation_expected", labels: { issuer }, value: newest.expected },
    { name: "fleetcert_revocation_acknowledged", labels: { issuer }, value: newest.acknowledged },
    { name: "fleetcert_revocation_blocked_seconds", labels: { issuer }, value: blockedAtBroker / 1000 },
    ...timed(publishedAfter, { name: "fleetcert_revocation_published_seconds", labels: { issuer } }),
    ...Object.entries(quantiles).flatMap(([quantile, after]) =>
      timed(after, { name: "fleetcert_revocation_proven_seconds", labels: { issuer, quantile } }),
    ),
    ...behind.map(({ connectivity, count }): Sample => {
      return { name: "fleetcert_revocation_waiting", labels: { issuer, connectivity }, value: count };
    }),
    ...Object.entries(via).map(([way, count]): Sample => {
      return { name: "fleetcert_revocation_acknowledged_via", labels: { issuer, via: way }, value: count };
    }),
  ];
}

/** What was not measured yet is no sample: a zero would be good news. */
function timed(milliseconds: number | undefined, sample: Omit<Sample, "value">): Sample[] {
  return milliseconds === undefined ? [] : [{ ...sample, value: milliseconds / 1000 }];
}

const maxCounted = 1000;
