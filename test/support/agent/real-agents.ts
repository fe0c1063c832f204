import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConfigChanges, type RunningAgent, readConfig, startAgent } from "@fleetcert/agent";
import { KeptLog } from "./agent-surroundings.ts";

/** An agent as `fleetcert-agent run` runs it, in this process, with a directory and software keys of its own. */
export interface RealAgent extends RunningAgent {
  readonly id: string;
  readonly log: KeptLog;
  /** Stops it and starts it again on its directory. */
  restarted(address?: ControllerAddress): Promise<RealAgent>;
}

/** Where an agent believes its controller to be. */
export interface ControllerAddress {
  readonly operational: { readonly port: number };
  readonly bootstrap: { readonly port: number };
}

/** Settings by which an agent tries again at once, whatever went wrong. */
export const quickPace = {
  ...{ reconnectBase: "50ms", reconnectCap: "500ms", retryBase: "50ms", retryCap: "500ms" },
  ...{ turnedAwayBase: "50ms", turnedAwayCap: "500ms" },
};

/** Settings of an agent's key store, by the agent's id. */
type KeysOf = (id: string) => Readonly<Record<string, string>>;

/** Further settings of an agent, by its id. */
type SettingsOf = (id: string) => ConfigChanges;

/** Agents of one test, and the directory that is removed with them. */
export class RealAgents {
  /** Holds the data directory of each, by its id. */
  readonly directory: string;
  readonly #keysOf: KeysOf;
  readonly #settingsOf: SettingsOf;
  readonly #running: RealAgent[] = [];

  private constructor(directory: string, keysOf: KeysOf, settingsOf: SettingsOf) {
    this.directory = directory;
    this.#keysOf = keysOf;
    this.#settingsOf = settingsOf;
  }

  /** `keysOf` names the key store of an agent; encrypted files by default. */
  static async open({
    keysOf = () => ({}),
    settingsOf = () => ({}),
  }: {
    readonly keysOf?: KeysOf;
    readonly settingsOf?: SettingsOf;
  } = {}): Promise<RealAgents> {
    return new RealAgents(await mkdtemp(join(tmpdir(), "fleetcert-agents-")), keysOf, settingsOf);
  }

  /** Starts one that is quick to try again; the claim is only read while it has no credential. */
  async start(id: string, address: ControllerAddress, claim?: string): Promise<RealAgent> {
    const claimFile = join(this.directory, `${id}.claim`);
    if (claim !== undefined) await writeFile(claimFile, `${claim}\n`, { mode: 0o600 });
    const { operational, bootstrap } = address;
    const config = readConfig({
      flags: {
        device: id,
        controller: { host: "127.0.0.1", port: operational.port, bootstrapPort: bootstrap.port },
        claimFile,
        keys: this.#keysOf(id),
        pace: quickPace,
        ...this.#settingsOf(id),
      },
    });
    const log = new KeptLog();
    const running = await startAgent({ ...config, data: join(this.directory, id) }, { log });
    const agent: RealAgent = {
      ...running,
      id,
      log,
      restarted: async (other = address) => {
        await running.stop();
        return await this.start(id, other);
      },
    };
    this.#running.push(agent);
    return agent;
  }

  /** The disk of a stopped agent is replaced by an empty one. */
  async replaceDisk(id: string): Promise<void> {
    await rm(join(this.directory, id), { recursive: true });
  }

  async close(): Promise<void> {
    await Promise.all(this.#running.map((agent) => agent.stop()));
    await rm(this.directory, { recursive: true, force: true });
  }
}
