import type { Instant } from "@fleetcert/shared";
import type { AgeCounter, DeviceRecord } from "../records.ts";
import type { Store } from "../store-port.ts";
import { type AgeDistribution, ageDistribution, ageDistributionsBy } from "./age-distribution.ts";
import { everyCertificate, everyDevice } from "./every-row.ts";
import { gatherServiceCounts } from "./gather-service-counts.ts";
import { type ServiceLevel, serviceLevels } from "./service-levels.ts";

/** What is asked of the fleet's ages. */
export interface AgeQuestion {
  readonly now: Instant;
  readonly by?: "site" | "profile" | "issuer";
  /** Which devices count; all when absent. Every device and certificate is read when it is given. */
  readonly includes?: (device: DeviceRecord) => Promise<boolean>;
}

/**
 * How old the certificates in use are, together and by group; from the kept counters, so at a cost that does not grow with
 * the fleet, unless a choice of devices is asked for.
 */
export async function fleetAges(
  store: Store,
  { now, by, includes }: AgeQuestion,
): Promise<{ readonly total: AgeDistribution; readonly groups: readonly AgeDistribution[] }> {
  const counters = includes === undefined ? await keptCounters(store, now) : await countFor(store, { now, includes });
  return {
    total: ageDistribution(counters, now),
    groups: by === undefined ? [] : ageDistributionsBy(by, counters, now),
  };
}

/** The service levels of DESIGN.md section 8 as far as the store holds what they count; reads every row once. */
export async function fleetServiceLevels(
  store: Store,
  question: { readonly now: Instant; readonly issuers: readonly string[] },
): Promise<ServiceLevel[]> {
  return serviceLevels(await gatherServiceCounts(store, question));
}

async function keptCounters(store: Store, now: Instant): Promise<AgeCounter[]> {
  return store.transaction(async (tx) => {
    await tx.ages.expire(now);
    return tx.ages.list();
  });
}

async function countFor(store: Store, { now, includes }: Required<Pick<AgeQuestion, "now" | "includes">>) {
  const sites = new Map<string, string>();
  for await (const device of everyDevice(store)) {
    if (await includes(device)) sites.set(device.id, device.attributes.site);
  }
  const counters = new Map<string, AgeCounter>();
  for await (const { device, state, notAfter, issuedAt, profile, issuer } of everyCertificate(store)) {
    const site = sites.get(device);
    if (site === undefined || (state !== "issued" && state !== "proven") || notAfter < now) continue;
    const group = { hour: Math.floor(issuedAt / 3_600_000), site, profile, issuer };
    const key = JSON.stringify(group);
    counters.set(key, { ...group, count: (counters.get(key)?.count ?? 0) + 1 });
  }
  return [...counters.values()];
}
