import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type AgentConfig, type ConfigChanges, type RunningAgent, readConfig, startAgent } from "@fleetcert/agent";
import { stringify } from "yaml";
import { openLevelStore } from "../../../agent/src/adapters/disk/level-store.ts";
import { absentLink } from "../../../agent/src/adapters/link/absent-link.ts";
import { type CommandOutcome, runAgentCommand } from "../agent/agent-command.ts";
import { KeptLog } from "../agent/agent-surroundings.ts";
import { quickPace } from "../agent/real-agents.ts";
import { until } from "../until.ts";

/** Where a device that is about to lose its network enrols. */
export interface EnrolmentPlace {
  readonly endpoints: {
    readonly operational: { readonly port: number };
    readonly bootstrap: { readonly port: number };
  };
  claim(): Promise<string>;
}

/** A device with a data directory of its own that enrolled over a network and has none since. */
export class OfflineDevice {
  readonly id: string;
  readonly data: string;
  readonly #config: AgentConfig;

  private constructor(id: string, data: string, config: AgentConfig) {
    this.id = id;
    this.data = data;
    this.#config = config;
  }

  static async enrol(
    directory: string,
    id: string,
    place: EnrolmentPlace,
    wishes: Readonly<Record<string, unknown>> = {},
  ): Promise<OfflineDevice> {
    const data = join(directory, id);
    const claimFile = join(directory, `${id}.claim`);
    await mkdir(data, { mode: 0o700 });
    await writeFile(claimFile, `${await place.claim()}\n`, { mode: 0o600 });
    const { operational, bootstrap } = place.endpoints;
    const settings: ConfigChanges = {
      device: id,
      controller: { host: "127.0.0.1", port: operational.port, bootstrapPort: bootstrap.port },
      claimFile,
      pace: quickPace,
      ...(wishes as ConfigChanges),
    };
    await writeFile(join(data, "config.yaml"), stringify(settings));
    const config = { ...readConfig({ flags: settings }), data };
    const agent = await startAgent(config, { log: new KeptLog() });
    try {
      const isSettled = (): boolean => {
        const { slots, outbox } = agent.status();
        return (
          outbox === 0 && slots.every(({ journal, certificate }) => journal === "idle" && certificate !== undefined)
        );
      };
      await until(isSettled);
    } finally {
      await agent.stop();
    }
    return new OfflineDevice(id, data, config);
  }

  /** Works with the agent while it has no network. */
  async work<T>(use: (agent: RunningAgent) => Promise<T>): Promise<T> {
    const agent = await startAgent(this.#config, { log: new KeptLog(), link: absentLink });
    try {
      return await use(agent);
    } finally {
      await agent.stop();
    }
  }

  export(renew: boolean): Promise<Uint8Array> {
    return this.work(async ({ courier }) => (await courier.pack({ renew })).bundle);
  }

  import(reply: Uint8Array) {
    return this.work(({ courier }) => courier.apply(reply, new AbortController().signal));
  }

  /** Generation in use of each slot. */
  generations(): Promise<Record<string, number | undefined>> {
    return this.work(async (agent) =>
      Object.fromEntries(agent.status().slots.map(({ slot, certificate }) => [slot, certificate?.generation])),
    );
  }

  /** Runs a command of `fleetcert-agent` on its directory. */
  command(...args: string[]): Promise<CommandOutcome> {
    return runAgentCommand(this.data, args);
  }

  /** Everything durable of it: its state and the names of its keys. */
  async contents(): Promise<Record<string, string>> {
    const store = await openLevelStore(join(this.data, "state"));
    try {
      const entries: [string, string][] = [];
      for (const key of await store.keys("", 100_000)) {
        entries.push([key, Buffer.from((await store.read(key)) ?? []).toString("base64")]);
      }
      const keys = await readdir(join(this.data, "keys"));
      const held = await Promise.all(
        keys.sort().map(async (name): Promise<[string, string]> => {
          return [`keys/${name}`, (await readFile(join(this.data, "keys", name))).toString("base64")];
        }),
      );
      return Object.fromEntries([...entries, ...held]);
    } finally {
      await store.close();
    }
  }
}
