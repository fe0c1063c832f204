import type { Store, Transaction } from "../../../controller/src/store-port.ts";

/** What was read since the last look. */
export interface Readings {
  readonly rows: number;
  /** Octets of the blobs among them. */
  readonly octets: number;
}

/** A store that counts what is read from it: work that grows with the fleet shows there, whatever the machine is busy with. */
export function countingStore(store: Store): Store & { take(): Readings } {
  let rows = 0;
  let octets = 0;
  const count = (result: unknown): void => {
    for (const row of Array.isArray(result) ? result : [result]) {
      if (row === undefined || row === null) continue;
      rows += 1;
      if (typeof row !== "object") continue;
      for (const value of Object.values(row)) if (value instanceof Uint8Array) octets += value.length;
    }
  };
  const watched = (table: object): object =>
    new Proxy(table, {
      get(target, name) {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== "function") return method;
        return async (...args: unknown[]) => {
          const result: unknown = await Reflect.apply(method, target, args);
          count(result);
          return result;
        };
      },
    });
  return {
    transaction: (work) =>
      store.transaction((tx) =>
        work(
          Object.fromEntries(
            Object.entries(tx).map(([name, table]) => [name, watched(table)]),
          ) as unknown as Transaction,
        ),
      ),
    close: () => store.close(),
    take() {
      const taken = { rows, octets };
      rows = 0;
      octets = 0;
      return taken;
    },
  };
}
