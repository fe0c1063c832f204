// Runs many agents in one process for the benchmark `reconnect-storm`, which says over IPC which.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readConfig, startAgent } from "@fleetcert/agent";
import { memoryKeyProvider } from "../support/memory-key-provider.ts";

/** Which agents one process is to run. */
export interface StormOrder {
  readonly folder: string;
  readonly claimString: string;
  readonly ids: readonly string[];
  readonly operational: number;
  readonly bootstrap: number;
}

process.on("message", (order: StormOrder) => void run(order));
process.on("disconnect", () => process.exit());

async function run({ folder, claimString, ids, operational, bootstrap }: StormOrder): Promise<void> {
  const claimFile = join(folder, `claim-${ids[0]}`);
  await writeFile(claimFile, `${claimString}\n`, { mode: 0o600 });
  const waiting = [...ids];
  const startNext = async (): Promise<void> => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      const flags = {
        ...{ device: id, claimFile },
        controller: { host: "127.0.0.1", port: operational, bootstrapPort: bootstrap },
      };
      const data = join(folder, "agents", id);
      await mkdir(data, { recursive: true, mode: 0o700 });
      // Each agent has its keys to itself; encrypting 2,000 key files is not what is measured.
      await startAgent({ ...readConfig({ flags }), data }, { keys: memoryKeyProvider(), log: silent });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, startNext));
}

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const atOnce = 8;
