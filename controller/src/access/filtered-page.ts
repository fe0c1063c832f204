import { type FilterFacts, matchesFilter } from "@fleetcert/shared";
import type { Store, Transaction } from "../store-port.ts";
import { readFilter } from "./filter-facts.ts";
import type { ListRequest, PageOf } from "./operations.ts";

/**
 * One page of a listing, filtered: reads on until it has `limit` matches or has looked at `maxLooked` rows, so that one
 * request stays bounded; `next` then goes on where it stopped. Throws `filter-invalid`.
 */
export async function filteredPage<Row, View>(
  store: Store,
  request: ListRequest,
  listing: {
    readonly read: (tx: Transaction, page: { after?: string; limit: number }) => Promise<Row[]>;
    readonly keyOf: (row: Row) => string;
    readonly view: (tx: Transaction, row: Row) => Promise<View>;
    readonly facts: (view: View) => FilterFacts;
    /** Names a filter may use: those of the facts. */
    readonly fields: readonly string[];
    /** A condition that is no filter of the caller's; everything is kept without it. */
    readonly keep?: (view: View) => boolean;
  },
): Promise<PageOf<View>> {
  const filter = request.filter === undefined ? undefined : readFilter(request.filter, listing.fields);
  const limit = Math.min(request.limit ?? defaultLimit, maxLimit);
  const items: View[] = [];
  let after = request.after;
  for (let looked = 0; looked < maxLooked; ) {
    const rows = await store.transaction(async (tx) => {
      const found = await listing.read(tx, { limit: batch, ...(after !== undefined && { after }) });
      return Promise.all(found.map(async (row) => ({ key: listing.keyOf(row), view: await listing.view(tx, row) })));
    });
    for (const { key, view } of rows) {
      if (items.length === limit) return { items, next: after };
      after = key;
      if (listing.keep?.(view) === false) continue;
      if (filter === undefined || matchesFilter(filter, listing.facts(view))) items.push(view);
    }
    looked += rows.length;
    if (rows.length < batch) return { items, next: undefined };
  }
  return { items, next: after };
}

const batch = 200;
const defaultLimit = 200;
const maxLimit = 1000;
const maxLooked = 20_000;
