import { FleetError } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { KeptLog } from "../../../test/support/agent/agent-surroundings.ts";
import { CrashingStateStore } from "../../../test/support/agent/crashing-state-store.ts";
import { memoryKeyProvider } from "../../../test/support/keys/memory-key-provider.ts";
import { type KeyStoreSettings, KeyStores } from "./key-stores.ts";

const label = "fleetcert:pump-1:web:1";
const settings = (provider: KeyStoreSettings["provider"]) => ({ provider, token: "fleet" }) as KeyStoreSettings;

describe("the key stores of an agent", () => {
  it("show every key there may be, and say which store is missing, also one of a former configuration", async () => {
    const stores = { software: memoryKeyProvider(), pkcs11: memoryKeyProvider(), tpm: memoryKeyProvider() };
    for (const store of [stores.software, stores.pkcs11]) await store.generate({ algorithm: "P-256", label });
    let isTokenThere = true;
    const state = new CrashingStateStore();
    const open = async ({ provider }: KeyStoreSettings) => {
      if (provider === "pkcs11" && !isTokenThere) throw new FleetError("key-store-unavailable", "no token");
      return stores[provider];
    };
    const opening = { state, device: "pump-1", open, log: new KeptLog() };
    await KeyStores.open({ ...opening, homes: [settings("pkcs11")] });
    isTokenThere = false;
    const keys = await KeyStores.open({ ...opening, homes: [settings("software")] });
    expect(await keys.list(label)).toHaveLength(1);
    const missed: unknown[] = [];
    const missing = (error: unknown) => void missed.push(error);
    expect(await keys.list(label, { missing })).toHaveLength(1);
    expect(missed).toMatchObject([{ code: "key-store-unavailable" }]);
    isTokenThere = true;
    expect(await keys.list(label, { missing })).toHaveLength(2);
    expect(missed).toHaveLength(1);
  });
});
