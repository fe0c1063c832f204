import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connectController, type Endpoints, initController, type Operations } from "@fleetcert/controller";
import { parse, stringify } from "yaml";
import { freePorts } from "../../../scripts/demo/free-ports.ts";
import { type Program, startProgram, untilSeen } from "../programs/processes.ts";

/** A data directory of a controller whose ports stay the same over restarts, so that agents find it again. */
export interface ControllerPlace {
  readonly data: string;
  readonly port: number;
  readonly bootstrapPort: number;
}

/** What `fleetcert serve` is started on; its ports may be others every time. */
type Served = Pick<ControllerPlace, "data">;

/** A `fleetcert serve` that is ready. */
export interface ServingController {
  readonly program: Program;
  readonly operations: Operations;
  readonly endpoints: Endpoints;
}

/** Who gives commands over the local socket. */
export const administrator = { name: "local", role: "admin" } as const;

/** Makes a controller (`fleetcert init`) with short times, its keys in encrypted files unless said otherwise. */
export async function makeController(
  data: string,
  keys: NonNullable<Parameters<typeof initController>[0]["keys"]> = {},
): Promise<ControllerPlace> {
  const ports = await freePorts(4);
  await initController({
    data,
    fleet: "demo",
    hosts: ["127.0.0.1", "localhost"],
    rootPassphrase: undefined,
    keys,
    settings: { ...shortTimes, listeners: listenersOn(ports) },
  });
  return placeOf(data, ports);
}

/** Copies a controller that is not running, and gives the copy ports of its own. */
export async function copyController(from: ControllerPlace, data: string): Promise<ControllerPlace> {
  await cp(from.data, data, { recursive: true, filter: (source) => !source.endsWith(".sock") });
  const file = join(data, "config.yaml");
  const ports = await freePorts(4);
  const config = parse(await readFile(file, "utf8")) as Record<string, unknown>;
  await writeFile(file, stringify({ ...config, listeners: listenersOn(ports) }));
  return placeOf(data, ports);
}

/** Starts `fleetcert serve` without waiting for it. */
export function startServe(
  { data }: Served,
  options: { readonly failpoint?: string; readonly logLevel?: string } = {},
): Program {
  const { failpoint = "", logLevel = "info" } = options;
  const args = ["serve", "--data", data, "--json", "--log-level", logLevel];
  return startProgram("controller/src/main.ts", args, { FLEETCERT_FAILPOINT: failpoint });
}

/** Waits until a started controller serves; undefined when it ended before. */
export async function whenServing({ data }: Served, program: Program): Promise<ServingController | undefined> {
  const line = await untilSeen(
    async () => (program.end !== undefined ? "" : program.stdout().split("\n")[0] || undefined),
    { within: 60_000, complain: () => program.stderr() },
  );
  if (line === "") return undefined;
  const { endpoints } = JSON.parse(line) as Pick<ServingController, "endpoints">;
  return { program, endpoints, operations: await connectController({ data }, {}) };
}

/** Starts `fleetcert serve` and waits until it serves; throws when it does not. */
export async function serve(place: Served, logLevel?: string): Promise<ServingController> {
  const program = startServe(place, logLevel === undefined ? {} : { logLevel });
  const serving = await whenServing(place, program);
  if (serving === undefined) throw new Error(`the controller ended with ${program.end}: ${program.stderr()}`);
  return serving;
}

function placeOf(data: string, [port = 0, bootstrapPort = 0]: readonly number[]): ControllerPlace {
  return { data, port, bootstrapPort };
}

function listenersOn(ports: readonly number[]) {
  const [operational, bootstrap, http, api] = ports.map((port) => ({ host: "127.0.0.1", port }));
  return { operational, bootstrap, http, api };
}

const shortTimes = {
  graceAfterProof: "2s",
  renewalWindow: "1s",
  reportInterval: "5s",
  bounds: { revokeAlone: 1000, claimUsesAlone: 100_000 },
};
