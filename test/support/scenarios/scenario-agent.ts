import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { StatusView } from "@fleetcert/agent";
import { stringify } from "yaml";
import { openLevelStore } from "../../../agent/src/adapters/disk/level-store.ts";
import { askLocalSocket } from "../../../agent/src/adapters/local-socket.ts";
import { slotKey } from "../../../agent/src/renewal/runner.ts";
import { emptySlot, type SlotState } from "../../../agent/src/renewal/slot-state.ts";
import { decodeSlotState } from "../../../agent/src/renewal/slot-state-codec.ts";
import { readTwin } from "../../../agent/src/twin/twin-record.ts";
import { type Program, startProgram, untilSeen } from "../programs/processes.ts";
import type { ControllerPlace } from "./scenario-controller.ts";

/** The data directory of one agent. */
export interface AgentPlace {
  readonly device: string;
  readonly data: string;
  /** What its process needs besides. */
  readonly env: Readonly<Record<string, string>>;
}

/** Where an agent's keys live; the settings are those of its configuration. */
export interface AgentKeys {
  readonly settings: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
}

/** Writes the configuration of an agent that will enrol with the claim of a file. */
export async function placeAgent(options: {
  readonly data: string;
  readonly device: string;
  readonly controller: ControllerPlace;
  readonly claimFile: string;
  readonly keys?: AgentKeys;
  /** Further settings. */
  readonly settings?: Readonly<Record<string, unknown>>;
}): Promise<AgentPlace> {
  const { data, device, controller, claimFile, keys = softwareKeys, settings = {} } = options;
  const { port, bootstrapPort } = controller;
  const config = {
    device,
    controller: { host: "127.0.0.1", port, bootstrapPort },
    claimFile,
    keys: keys.settings,
    pace: { reconnectBase: "200ms", reconnectCap: "1s", retryBase: "200ms", retryCap: "1s" },
    ...settings,
  };
  await mkdir(data, { recursive: true, mode: 0o700 });
  await writeFile(join(data, "config.yaml"), stringify(config));
  return { device, data, env: keys.env };
}

/** Starts `fleetcert-agent run`. */
export function startAgentRun({ data, env }: AgentPlace, failpoint?: string): Program {
  const kill = failpoint === undefined ? {} : { FLEETCERT_FAILPOINT: failpoint };
  return startProgram("agent/src/main.ts", ["run", "--data", data], { ...env, ...kill });
}

/** What a running agent says of itself; undefined when none answers. */
export async function askAgent({ data }: AgentPlace): Promise<StatusView | undefined> {
  return (await askLocalSocket(join(data, "agent.sock"), "GET", "/v1/status").catch(() => undefined)) as
    | StatusView
    | undefined;
}

/** Waits until a running agent has nothing under way, with a certificate of at least the generation, connected. */
export async function untilSettled(place: AgentPlace, program: Program, generation: number): Promise<StatusView> {
  let last: StatusView | undefined;
  return untilSeen(
    async () => {
      if (program.end !== undefined) throw new Error(`${place.device} ended with ${program.end}: ${program.stderr()}`);
      last = await askAgent(place);
      const [slot] = last?.slots ?? [];
      const isSettled = slot?.journal === "idle" && (slot.certificate?.generation ?? 0) >= generation;
      return isSettled && last?.connection?.state === "connected" && last.outbox === 0 ? last : undefined;
    },
    { within: 90_000, complain: () => `${place.device} says ${JSON.stringify(last)} and wrote ${program.stderr()}` },
  );
}

/** The journal an agent that is not running has on the disk. */
export async function journalOf({ data }: AgentPlace): Promise<SlotState> {
  const store = await openLevelStore(join(data, "state"));
  try {
    const bytes = await readTwin(store, slotKey("identity"));
    return bytes === undefined ? emptySlot : decodeSlotState(bytes);
  } finally {
    await store.close();
  }
}

/** Encrypted files in the agent's own directory. */
const softwareKeys: AgentKeys = { settings: { provider: "software" }, env: {} };
