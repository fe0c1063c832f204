import { stateStoreContract } from "../../contracts/state-store.ts";
import { CrashingStateStore } from "./crashing-state-store.ts";

let disk = new Map<string, Uint8Array>();

stateStoreContract("in memory", {
  begin: async () => {
    disk = new Map();
  },
  open: async () => new CrashingStateStore(disk),
});
