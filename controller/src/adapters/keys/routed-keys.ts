import { FleetError, isFleetError, type KeyProvider } from "@fleetcert/shared";

/** One of the stores of {@link routedKeys}. */
export interface KeyRoute {
  readonly keys: KeyProvider;
  /** Whether keys with this label are made here; the first store that says so makes them. */
  readonly makes: (label: string) => boolean;
}

/**
 * Several key stores as one: a key is made where its label belongs, and found wherever it is, so that a setting that was changed
 * later does not hide what was made before.
 */
export function routedKeys(routes: readonly KeyRoute[]): KeyProvider {
  const stores = routes.map(({ keys }) => keys);
  return {
    async generate(request) {
      const route = routes.find(({ makes }) => makes(request.label));
      if (route === undefined) throw new FleetError("internal", `no key store makes "${request.label}"`);
      return await route.keys.generate(request);
    },
    async open(ref) {
      let missing: unknown = new FleetError("key-not-found", `there is no key ${ref}`);
      for (const store of stores) {
        try {
          return await store.open(ref);
        } catch (error) {
          if (!isElsewhere(error)) throw error;
          missing = error;
        }
      }
      throw missing;
    },
    async list(labelPrefix) {
      return (await Promise.all(stores.map((store) => store.list(labelPrefix)))).flat();
    },
    async destroy(ref) {
      for (const store of stores) await store.destroy(ref).catch(ignoreElsewhere);
    },
  };
}

/** A reference of another kind of store is malformed here. */
const isElsewhere = (error: unknown): boolean => isFleetError(error, "key-not-found", "request-invalid");

function ignoreElsewhere(error: unknown): void {
  if (!isElsewhere(error)) throw error;
}
