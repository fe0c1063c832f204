import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ConfigChanges } from "@fleetcert/agent";
import { stringify } from "yaml";
import { askAgent } from "./ask-agent.ts";
import { type Child, startChild } from "./child.ts";
import type { ControllerProcess } from "./controller-process.ts";
import { type CutProxy, openCutProxy } from "./cut-proxy.ts";
import type { DemoDevice, DeviceRole } from "./devices.ts";
import { type EmulatedTpm, makeTpm, startTpm } from "./emulated-tpm.ts";
import { type DeviceKeyStore, type KeyStoreKind, type KeyStoreSettings, keyStoreOf, makeToken } from "./key-store.ts";
import { skewedClock } from "./skewed-clock.ts";
import { repository, type Workplace } from "./workplace.ts";

/** An agent that shares a process with others. */
export interface HostedAgent {
  readonly device: string;
  readonly data: string;
  readonly settings: ConfigChanges;
}

/** What the host process is told. */
export type HostCommand =
  | { readonly type: "start"; readonly agents: readonly HostedAgent[] }
  | { readonly type: "report"; readonly id: number };

/** What an agent says of its connection. */
export interface AgentReport {
  readonly device: string;
  readonly state: string;
  /** Code of what ended the last session or try. */
  readonly lastError: string;
}

/** The agents of a run: five processes of `fleetcert-agent run`, and one process for the rest. */
export interface Fleet {
  /** Processes that run agents. */
  readonly processes: number;
  /** The network of the device that is cut off; undefined when there is no such scene. */
  readonly network: CutProxy | undefined;
  reports(): Promise<AgentReport[]>;
  stop(): Promise<void>;
}

/** Starts every agent on an empty data directory with the claim in a file. */
export async function startFleet(parts: {
  readonly devices: readonly DemoDevice[];
  readonly place: Workplace;
  readonly controller: ControllerProcess;
  readonly keyStore: KeyStoreKind;
}): Promise<Fleet> {
  const { devices, place, controller } = parts;
  const children: Child[] = [];
  const isCut = devices.some(({ role }) => role === "cut-off");
  const network = isCut ? await openCutProxy(controller.endpoints.operational) : undefined;
  const alone = devices.filter(({ role }) => role !== "hosted");
  const hosted = devices.filter(({ role }) => role === "hosted");

  const tpms = await startTpms(parts);
  const storeOf = (id: string) =>
    keyStoreOf(
      parts.keyStore,
      devices.findIndex((device) => device.id === id),
    );

  for (const device of alone) {
    const store = await keyStoreFor(parts, device.id, { store: storeOf(device.id), tpms });
    const port = device.role === "cut-off" && network !== undefined ? network.port : undefined;
    const agent = await prepare(parts, device.id, store, port);
    children.push(startAgentProcess(place, agent, { ...store.env, ...clockOf(device.role) }));
  }
  const host = hosted.length === 0 ? undefined : await startHost(parts, { hosted, storeOf, tpms });
  return {
    processes: children.length + (host === undefined ? 0 : 1),
    network,
    async reports() {
      const own = alone.map(({ id }) => askAgent(id, join(place.agents, id)));
      return [...(await Promise.all(own)), ...((await host?.reports()) ?? [])];
    },
    async stop() {
      await Promise.all([...children.map((child) => child.stop()), host?.child.stop()]);
      await network?.close();
      await Promise.all([...tpms.values()].map((tpm) => tpm.stop()));
    },
  };
}

/** A TPM for each device whose keys are to be in one; one after the other, for they share a manufacturer. */
async function startTpms({ devices, keyStore, place }: Parts): Promise<ReadonlyMap<string, EmulatedTpm>> {
  const wanted = devices.filter((_, index) => keyStoreOf(keyStore, index) === "tpm");
  const tpms = new Map<string, EmulatedTpm>();
  for (const { id } of wanted) {
    const state = join(place.tokens, id);
    await makeTpm(state, place.manufacturer);
    tpms.set(id, await startTpm(state));
  }
  return tpms;
}

type Parts = Parameters<typeof startFleet>[0];

async function startHost(
  parts: Parts,
  {
    hosted,
    storeOf,
    tpms,
  }: {
    readonly hosted: readonly DemoDevice[];
    readonly storeOf: (id: string) => DeviceKeyStore;
    readonly tpms: ReadonlyMap<string, EmulatedTpm>;
  },
) {
  const hasTokens = hosted.some(({ id }) => storeOf(id) === "pkcs11");
  const name = `host-of-${hosted[0]?.id}`;
  const token = await keyStoreFor(parts, name, { store: hasTokens ? "pkcs11" : "software", tpms });
  const settingsOf = async (id: string): Promise<KeyStoreSettings> =>
    storeOf(id) === "pkcs11" ? token : await keyStoreFor(parts, id, { store: storeOf(id), tpms });
  const agents = await Promise.all(hosted.map(async ({ id }) => prepare(parts, id, await settingsOf(id))));
  const child = startChild([join(repository, "scripts/demo/agent-host.ts")], {
    logFile: join(parts.place.logs, "agents.log"),
    env: { ...process.env, ...token.env },
    ipc: true,
  });
  const waiting = new Map<number, (reports: AgentReport[]) => void>();
  child.process.on("message", (message: { id: number; reports: AgentReport[] }) => {
    waiting.get(message.id)?.(message.reports);
    waiting.delete(message.id);
  });
  child.process.send({ type: "start", agents } satisfies HostCommand);
  let asked = 0;
  return {
    child,
    reports: () =>
      new Promise<AgentReport[]>((resolve) => {
        asked += 1;
        waiting.set(asked, resolve);
        child.process.send({ type: "report", id: asked } satisfies HostCommand);
        child.process.once("exit", () => resolve([]));
      }),
  };
}

/** Each process has a token of its own; each agent its own TPM, or its own encrypted files. */
async function keyStoreFor(
  { keyStore, place }: Parts,
  name: string,
  { store, tpms }: { readonly store: DeviceKeyStore; readonly tpms: ReadonlyMap<string, EmulatedTpm> },
): Promise<KeyStoreSettings> {
  const tpm = tpms.get(name);
  if (store === "tpm" && tpm !== undefined) return { keys: { provider: "tpm", tpm: tpm.address }, env: {} };
  if (store !== "pkcs11" || !("module" in keyStore)) return { keys: { provider: "software" }, env: {} };
  const folder = join(place.tokens, name);
  await mkdir(folder, { mode: 0o700 });
  return makeToken(keyStore.module, folder, name);
}

async function prepare(
  { place, controller }: Parts,
  device: string,
  { keys }: KeyStoreSettings,
  port = controller.endpoints.operational.port,
): Promise<HostedAgent> {
  const data = join(place.agents, device);
  await mkdir(data, { mode: 0o700 });
  const settings: ConfigChanges = {
    device,
    controller: { host: "127.0.0.1", port, bootstrapPort: controller.endpoints.bootstrap.port },
    claimFile: place.claimFile,
    keys,
    pace: { reconnectCap: "5s", turnedAwayBase: "1s", turnedAwayCap: "5s", retryCap: "10s" },
  };
  await writeFile(join(data, "config.yaml"), stringify(settings));
  return { device, data, settings };
}

function startAgentProcess(
  place: Workplace,
  { device, data }: HostedAgent,
  env: Readonly<Record<string, string>>,
): Child {
  return startChild([join(repository, "agent/src/main.ts"), "run", "--data", data], {
    logFile: join(place.logs, `${device}.log`),
    env: { ...process.env, ...env },
  });
}

function clockOf(role: DeviceRole): Readonly<Record<string, string>> {
  if (role === "clock-behind") return skewedClock(-2) ?? {};
  return role === "clock-ahead" ? (skewedClock(2) ?? {}) : {};
}
