import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { FleetError } from "@fleetcert/shared";
import { until } from "./until.ts";

/** An emulator that plays one device's TPM, made and certified by the demo's own manufacturer. */
export interface EmulatedTpm {
  /** For the `tpm` of the agent's key settings. */
  readonly address: string;
  stop(): Promise<void>;
}

/** PEM files of the manufacturer that certifies the demo's TPMs. */
export interface TpmManufacturer {
  readonly root: string;
  readonly ca: string;
}

/** Which of the programs that make and run emulated TPMs are not here. */
export function missingTpmPrograms(): string[] {
  return programs.filter((name) => findProgram(name) === undefined);
}

/** Where the manufacturer's certificates are, or will be once the first TPM is made there. */
export function manufacturerIn(folder: string): TpmManufacturer {
  return { root: join(folder, "swtpm-localca-rootca-cert.pem"), ca: join(folder, "issuercert.pem") };
}

/** Makes the manufacturer, by making a TPM that nobody gets: the controller reads its certificates when it starts. */
export async function foundManufacturer(place: {
  readonly tokens: string;
  readonly manufacturer: string;
}): Promise<void> {
  if (!existsSync(manufacturerIn(place.manufacturer).ca))
    await makeTpm(join(place.tokens, "sample"), place.manufacturer);
}

/** Makes a TPM with an endorsement key that the manufacturer in `folder` has certified. */
export async function makeTpm(state: string, folder: string): Promise<void> {
  await mkdir(state, { recursive: true, mode: 0o700 });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = async (name: string, lines: readonly string[]): Promise<string> => {
    await writeFile(join(folder, name), `${lines.join("\n")}\n`);
    return join(folder, name);
  };
  const ca = await file("swtpm-localca.conf", [
    `statedir = ${folder}`,
    `signingkey = ${folder}/signkey.pem`,
    `issuercert = ${folder}/issuercert.pem`,
    `certserial = ${folder}/certserial`,
  ]);
  const options = await file("swtpm-localca.options", [
    "--platform-manufacturer Fleetcert",
    "--platform-version 1",
    "--platform-model demo",
  ]);
  const config = await file("swtpm_setup.conf", [
    `create_certs_tool = ${findProgram("swtpm_localca")}`,
    `create_certs_tool_config = ${ca}`,
    `create_certs_tool_options = ${options}`,
    "active_pcr_banks = sha256",
  ]);
  const args = ["--tpm2", "--tpmstate", state, "--config", config, "--create-ek-cert", "--lock-nvram", "--overwrite"];
  // On a busy machine swtpm_setup now and then loses the certificate it has just been given.
  for (let left = 2; ; left--) {
    const failure = await promisify(execFile)(findProgram("swtpm_setup") ?? "", args).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure === undefined) return;
    if (left > 0) continue;
    const said = (failure as { readonly stderr?: string }).stderr?.trim().split("\n").join("; ");
    throw new FleetError("key-store-unavailable", `swtpm_setup could not make a TPM: ${said ?? String(failure)}`, {
      hint: "run the demo again, or with fewer devices",
      cause: failure,
    });
  }
}

/** Starts the emulator of a TPM that was made in `state`. */
export async function startTpm(state: string): Promise<EmulatedTpm> {
  // Paths of unix sockets have 107 characters at most: the demo's own folder may lie deep.
  const folder = await mkdtemp(join(tmpdir(), "fc-demo-"));
  const path = join(folder, "tpm.sock");
  const child = spawn(
    findProgram("swtpm") ?? "",
    [
      ...["socket", "--tpm2", "--tpmstate", `dir=${state}`, "--server", `type=unixio,path=${path}`],
      ...["--flags", "not-need-init,startup-clear"],
    ],
    { stdio: "ignore" },
  );
  const endWithDemo = () => void child.kill("SIGKILL");
  process.once("exit", endWithDemo);
  const stop = async (): Promise<void> => {
    process.off("exit", endWithDemo);
    await ended(child);
    await rm(folder, { recursive: true, force: true });
  };
  const isHere = async () => existsSync(path);
  const isUp = await until(isHere, (here) => here || child.exitCode !== null, { timeoutMs: 10_000 });
  if (isUp) return { address: `swtpm:path=${path}`, stop };
  await stop();
  throw new FleetError("key-store-unavailable", "the TPM emulator swtpm does not start", {
    hint: `swtpm socket --tpm2 --tpmstate dir=${state} …`,
  });
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}

function findProgram(name: string): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** The last makes the keys of the manufacturer. */
const programs = ["swtpm", "swtpm_setup", "swtpm_localca", "certtool"];
