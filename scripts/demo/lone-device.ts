import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ConfigChanges, StatusView } from "@fleetcert/agent";
import type { DeviceView } from "@fleetcert/controller";
import { stringify } from "yaml";
import { localActor } from "./actor.ts";
import { type Child, childOutcome, startChild } from "./child.ts";
import { type KeyStoreSettings, makeToken } from "./key-store.ts";
import { isProven } from "./look-at-fleet.ts";
import type { Stage } from "./stage.ts";
import { until } from "./until.ts";
import { repository } from "./workplace.ts";

/** A device of one scene, with a directory, a claim and a token of its own; its agent runs only while the scene wants it. */
export interface LoneDevice {
  readonly id: string;
  /** Settings of the key store that devices of the run have. */
  readonly keys: KeyStoreSettings["keys"];
  /** Writes its configuration anew, with changes; for the next start. */
  configure(changes: ConfigChanges): Promise<void>;
  /** Starts its agent, a process of its own that ends with the demo. */
  start(): Child;
  /** Runs a command of `fleetcert-agent` on its directory, with `--json`. */
  command(...args: string[]): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>;
  status(): Promise<StatusView>;
  /** What the controller knows of it; undefined before it has enrolled. */
  shown(): Promise<DeviceView | undefined>;
  /** Waits until a certificate of at least the generation is proven; gives what is seen at the end either way. */
  untilProven(generation: number): Promise<DeviceView | undefined>;
}

/** Prepares a device that has not enrolled; `env` is what its processes need besides. */
export async function prepareDevice(
  stage: Stage,
  name: string,
  wishes: {
    readonly env?: Readonly<Record<string, string>>;
    readonly profile?: string;
    /** On top of what every such device has. */
    readonly settings?: ConfigChanges;
  } = {},
): Promise<LoneDevice> {
  const { place, controller } = stage;
  const { operations, endpoints } = controller;
  const id = `${name}-${place.run}`;
  const data = join(place.agents, id);
  await mkdir(data, { mode: 0o700 });
  const { keys, env } = await keysOf(stage, id);
  const { claimString } = await operations.claims.create(localActor, {
    maxUses: 1,
    validFor: 3_600_000,
    allowedDevices: [id],
    attributes: { site: "demo", owner: "platform", environment: "demo", criticality: "low" },
    ...(wishes.profile !== undefined && { profile: wishes.profile }),
  });
  const claimFile = join(data, "claim");
  await writeFile(claimFile, `${claimString}\n`, { mode: 0o600 });
  const settings: ConfigChanges = {
    device: id,
    controller: { host: "127.0.0.1", port: endpoints.operational.port, bootstrapPort: endpoints.bootstrap.port },
    claimFile,
    keys,
    pace: { reconnectCap: "2s", retryCap: "3s" },
  };
  const configure = (changes: ConfigChanges) =>
    writeFile(join(data, "config.yaml"), stringify({ ...settings, ...wishes.settings, ...changes }));
  await configure({});
  const environment = { ...process.env, ...env, ...wishes.env };
  const main = join(repository, "agent/src/main.ts");
  const shown = async () => {
    const { items } = await operations.devices.list(localActor, { filter: `id=${id}` });
    return items[0];
  };
  const command: LoneDevice["command"] = (...args) =>
    childOutcome([main, ...args, "--json", "--data", data], environment);
  return {
    id,
    keys,
    command,
    configure,
    shown,
    start() {
      const child = startChild([main, "run", "--data", data], {
        logFile: join(place.logs, `${id}.log`),
        env: environment,
      });
      stage.atEnd(() => child.stop());
      return child;
    },
    status: async () => JSON.parse((await command("status")).out) as StatusView,
    untilProven: (generation) =>
      until(shown, (device) => isProven(device, generation), { timeoutMs: 60_000, everyMs: 200 }),
  };
}

/** A token where the run has them, else encrypted files. */
async function keysOf({ keyStore, place }: Stage, id: string): Promise<KeyStoreSettings> {
  if (!("module" in keyStore)) return { keys: { provider: "software" }, env: {} };
  const folder = join(place.tokens, id);
  await mkdir(folder, { mode: 0o700 });
  return await makeToken(keyStore.module, folder, id);
}
