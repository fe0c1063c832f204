import { type Clock, matchesFilter, parseFilter } from "@fleetcert/shared";
import { ageDistribution, ageDistributionsBy } from "../insight/age-distribution.ts";
import { everyCertificate, everyDevice } from "../insight/every-row.ts";
import { gatherServiceCounts } from "../insight/gather-service-counts.ts";
import { serviceLevels } from "../insight/service-levels.ts";
import type { AgeCounter } from "../records.ts";
import type { Store } from "../store-port.ts";
import { deviceFacts } from "./filter-facts.ts";
import type { AgeView, ExpiryView, FleetOperations } from "./operations.ts";
import { deviceView } from "./views.ts";

/** Answers questions about the fleet as a whole from the store. */
export function fleetQuestions(parts: {
  readonly store: Store;
  readonly clock: Clock;
  readonly issuers: readonly string[];
  readonly connected: { readonly isConnected: (device: string) => boolean; readonly count: () => number };
  readonly expiries: () => Promise<readonly ExpiryView[]>;
}): FleetOperations {
  const { store, clock, issuers, connected } = parts;
  return {
    async age(_actor, { by, filter }) {
      const now = clock.now();
      const counters = filter === undefined ? await keptCounters(store, now) : await countersOf(parts, filter);
      return {
        total: ageView(ageDistribution(counters, now), "all devices"),
        groups: by === undefined ? [] : ageDistributionsBy(by, counters, now).map((one) => ageView(one)),
        expiries: await parts.expiries(),
      };
    },
    async summary() {
      const counts = await gatherServiceCounts(store, { now: clock.now(), issuers });
      return {
        devices: await store.transaction((tx) => tx.devices.countByState()),
        connected: connected.count(),
        serviceLevels: serviceLevels(counts),
      };
    },
  };
}

async function keptCounters(store: Store, now: number): Promise<AgeCounter[]> {
  return store.transaction(async (tx) => {
    await tx.ages.expire(now);
    return tx.ages.list();
  });
}

/** Counters made for this question alone, of the certificates whose device matches the filter. */
async function countersOf(parts: Parameters<typeof fleetQuestions>[0], text: string): Promise<AgeCounter[]> {
  const { store, clock, issuers, connected } = parts;
  const filter = parseFilter(text);
  const now = clock.now();
  const sites = new Map<string, string>();
  for await (const record of everyDevice(store)) {
    const view = await store.transaction((tx) => deviceView(tx, record, { issuers, ...connected }));
    if (matchesFilter(filter, deviceFacts(view, now))) sites.set(record.id, record.attributes.site);
  }
  const counters: AgeCounter[] = [];
  for await (const { device, state, notAfter, issuedAt, profile, issuer } of everyCertificate(store)) {
    const site = sites.get(device);
    if (site === undefined || (state !== "issued" && state !== "proven") || notAfter < now) continue;
    counters.push({ hour: Math.floor(issuedAt / hour), site, profile, issuer, count: 1 });
  }
  return counters;
}

function ageView(distribution: ReturnType<typeof ageDistribution>, name?: string): AgeView {
  return { ...distribution, group: name ?? (distribution.group === "" ? "(none)" : distribution.group) };
}

const hour = 3_600_000;
