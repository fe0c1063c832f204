import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { initController } from "@fleetcert/controller";
import { type SoftHsm, startSoftHsm } from "../support/keys/softhsm.ts";
import { type ServingController, serve } from "../support/scenarios/scenario-controller.ts";

/** A controller in a process of its own, and bundled agents that enrol with it. */
export interface AgentBed {
  readonly controller: ServingController;
  /** The bundled program, executable; its native parts are beside it. */
  readonly program: string;
  /** Enrols a device with the bundled agent; gives the arguments of its `run`. */
  enrol(device: string, keys: "software" | "pkcs11"): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Bundles the programs into a folder of their own and starts a controller on free ports. */
export async function openAgentBed(): Promise<AgentBed> {
  const folder = await mkdtemp(join(tmpdir(), "fleetcert-agents-"));
  execFileSync(process.execPath, [join(root, "scripts/bundle.mjs"), join(folder, "dist")], { stdio: "ignore" });
  const program = join(folder, "dist", "fleetcert-agent.mjs");
  const data = join(folder, "controller");
  await initController({ data, fleet: "bench", hosts: ["127.0.0.1"], rootPassphrase: undefined, settings });
  const controller = await serve({ data }, "error");
  const claimFile = join(folder, "claim");
  const { claimString } = await controller.operations.claims.create(
    { name: "local", role: "admin" },
    { maxUses: 100, validFor: 3_600_000 },
  );
  await writeFile(claimFile, claimString, { mode: 0o600 });
  let hsm: SoftHsm | undefined;
  return {
    controller,
    program,
    async enrol(device, keys) {
      const directory = join(folder, device);
      await mkdir(directory, { mode: 0o700 });
      if (keys === "pkcs11") hsm ??= startSoftHsm();
      const { operational, bootstrap } = controller.endpoints;
      const address = [
        `--controller=127.0.0.1:${operational.port}`,
        `--bootstrap-port=${bootstrap.port}`,
        `--claim-file=${claimFile}`,
        `--device-id=${device}`,
      ];
      const store = hsm !== undefined && keys === "pkcs11" ? await tokenOptions(hsm, directory) : [];
      await run(program, ["enrol", `--data=${directory}`, ...address, ...store]);
      return ["run", `--data=${directory}`];
    },
    async close() {
      await controller.program.stop();
      await rm(folder, { recursive: true, force: true });
      hsm?.remove();
    },
  };
}

/** Starts an agent by its own first line and waits until it is connected: CONNACK, its time anchored, SUBACK. Rejects when it ends before. */
export async function startUntilConnected(program: string, args: readonly string[]): Promise<ChildProcess> {
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], env });
  const lines: string[] = [];
  const seen = new Promise<void>((resolve) => {
    createInterface(child.stderr).on("line", (line) => {
      if (lines.length < 20) lines.push(line);
      if (line.includes('"event.action":"connected"')) resolve();
    });
  });
  const ended = once(child, "exit").then(() => {
    throw new Error(`the agent ended before it was connected: ${lines.join("\n")}`);
  });
  ended.catch(() => undefined);
  await Promise.race([seen, ended]);
  return child;
}

/** Ends a process and waits for it. */
export async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

async function tokenOptions(hsm: SoftHsm, directory: string): Promise<string[]> {
  const { tokenLabel, pin } = hsm.createToken();
  const pinFile = join(directory, "pin");
  await writeFile(pinFile, pin.reveal(), { mode: 0o600 });
  return ["--keys=pkcs11", `--pkcs11-module=${hsm.modulePath}`, `--token=${tokenLabel}`, `--pin-file=${pinFile}`];
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], env });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${program} ${args[0]} ended with ${code}: ${errors}`);
}

/** The bundle's first line asks for `node`: this one. SoftHSM2's configuration is in the environment once there is one. */
const env = process.env;
env["PATH"] = `${dirname(process.execPath)}${delimiter}${env["PATH"]}`;
const root = join(import.meta.dirname, "../..");

const anywhere = { host: "127.0.0.1", port: 0 };
const settings = { listeners: { operational: anywhere, bootstrap: anywhere, http: anywhere, api: anywhere } };
