import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storeContract } from "../../../../../test/contracts/store.ts";
import { openSqliteStore } from "./open-store.ts";

storeContract("SQLite", async () => {
  const directory = await mkdtemp(join(tmpdir(), "fleetcert-store-"));
  const path = join(directory, "store.db");
  let store = await openSqliteStore({ path });
  return {
    store,
    async reopen() {
      await store.close();
      store = await openSqliteStore({ path, create: "never" });
      return store;
    },
    async dispose() {
      await store.close();
      await rm(directory, { recursive: true });
    },
  };
});
