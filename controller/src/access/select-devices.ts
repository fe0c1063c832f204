import { type Instant, matchesFilter } from "@fleetcert/shared";
import type { Inventory } from "../inventory/inventory.ts";
import type { Transaction } from "../store-port.ts";
import { deviceFacts, deviceFields, readFilter } from "./filter-facts.ts";
import { deviceView } from "./views.ts";

/** Ids of all devices that a filter expression matches, as `device list --filter` would. Throws `filter-invalid`. */
export async function selectDevices(
  tx: Transaction,
  text: string,
  { now, inventory }: { readonly now: Instant; readonly inventory: Pick<Inventory, "connected"> },
): Promise<string[]> {
  const filter = readFilter(text, deviceFields);
  const connected = inventory.connected();
  const context = { issuers: () => [], isConnected: (device: string) => connected.has(device) };
  const ids: string[] = [];
  for (let after = ""; ; ) {
    const page = await tx.devices.list({ after, limit: 1000 });
    for (const record of page) {
      const view = await deviceView(tx, record, context);
      if (matchesFilter(filter, deviceFacts(view, now))) ids.push(record.id);
    }
    const last = page.at(-1);
    if (last === undefined || page.length < 1000) return ids;
    after = last.id;
  }
}
