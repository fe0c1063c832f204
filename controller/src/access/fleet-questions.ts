import { type Clock, matchesFilter } from "@fleetcert/shared";
import { fleetAges, fleetServiceLevels } from "../insight/fleet-insight.ts";
import type { DeviceRecord } from "../records.ts";
import { Sparing } from "../sparing.ts";
import type { Store } from "../store-port.ts";
import { deviceFacts, deviceFields, readFilter } from "./filter-facts.ts";
import type { AgeView, ExpiryView, FleetOperations } from "./operations.ts";
import { deviceView } from "./views.ts";

/** Answers questions about the fleet as a whole from the store. */
export function fleetQuestions(parts: {
  readonly store: Store;
  readonly clock: Clock;
  readonly issuers: () => readonly string[];
  readonly connected: { readonly isConnected: (device: string) => boolean; readonly count: () => number };
  readonly expiries: () => Promise<readonly ExpiryView[]>;
}): FleetOperations {
  const { store, clock, issuers, connected } = parts;
  const serviceLevels = new Sparing<Awaited<ReturnType<typeof fleetServiceLevels>>>(clock);
  return {
    async age(_actor, { by, filter }) {
      const now = clock.now();
      const includes = filter === undefined ? undefined : matcher(parts, { filter, now });
      const { total, groups } = await fleetAges(store, { now, ...(by && { by }), ...(includes && { includes }) });
      return {
        total: ageView(total, "all devices"),
        groups: groups.map((one) => ageView(one)),
        expiries: await parts.expiries(),
      };
    },
    async summary() {
      return {
        devices: await store.transaction((tx) => tx.devices.countByState()),
        connected: connected.count(),
        serviceLevels: await serviceLevels.find(issuers().join(), () =>
          fleetServiceLevels(store, { now: clock.now(), issuers: issuers() }),
        ),
      };
    },
  };
}

/** Whether a device matches the filter expression; throws `filter-invalid` at once. */
function matcher(
  { store, issuers, connected }: Parameters<typeof fleetQuestions>[0],
  { filter: text, now }: { readonly filter: string; readonly now: number },
): (record: DeviceRecord) => Promise<boolean> {
  const filter = readFilter(text, deviceFields);
  return async (record) => {
    const view = await store.transaction((tx) => deviceView(tx, record, { issuers, ...connected }));
    return matchesFilter(filter, deviceFacts(view, now));
  };
}

function ageView(distribution: Awaited<ReturnType<typeof fleetAges>>["total"], name?: string): AgeView {
  return { ...distribution, group: name ?? (distribution.group === "" ? "(none)" : distribution.group) };
}
