import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { OptionalPart } from "../programs/optional-part.ts";

const places = ["/usr/bin", "/usr/local/bin"];
const find = (name: string): string | undefined => places.map((at) => join(at, name)).find((path) => existsSync(path));
const program = find("swtpm");
const setupProgram = find("swtpm_setup");

/** For `describeWith`. */
export const swtpmPart: OptionalPart = {
  name: "swtpm",
  isPresent: program !== undefined && setupProgram !== undefined,
  install: "sudo apt-get install swtpm swtpm-tools",
};

/** A TPM emulator that belongs to one test. */
export interface Swtpm {
  /** For the `tpm` of `openKeyProvider`. */
  readonly address: string;
  /** DER of the CA certificates above its EK certificates; empty when it was not manufactured. */
  readonly manufacturerCas: readonly string[];
  readonly directory: string;
  /** Takes the power away and gives it back: what is not persistent is gone. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts a TPM emulator of its own. `manufactured` runs swtpm_setup, which gives it an RSA-2048 and a P-384 endorsement
 * key with certificates of a CA in its directory; a bare one has neither. It listens on a unix socket, or on TCP.
 */
export async function startSwtpm({
  manufactured = false,
  tcpPort,
  hasControl = false,
}: {
  readonly manufactured?: boolean;
  readonly tcpPort?: number;
  /** Whether the port above `tcpPort` takes control commands, which tpm2-tss wants. */
  readonly hasControl?: boolean;
} = {}): Promise<Swtpm> {
  if (program === undefined) throw new Error("swtpm is not installed: sudo apt-get install swtpm swtpm-tools");
  // Unix socket paths have 107 characters at most: the directory's name is short.
  const directory = mkdtempSync(join(tmpdir(), "fc-tpm-"));
  const state = join(directory, "state");
  mkdirSync(state);
  if (manufactured) manufacture(directory, state);
  const path = join(directory, "tpm.sock");
  const server = tcpPort === undefined ? `type=unixio,path=${path}` : `type=tcp,port=${tcpPort},bindaddr=127.0.0.1`;
  const start = async (): Promise<ChildProcess> => {
    const child = spawn(
      program as string,
      [
        "socket",
        "--tpm2",
        "--tpmstate",
        `dir=${state}`,
        "--server",
        server,
        "--flags",
        "not-need-init,startup-clear",
        "--seccomp",
        "action=none",
        ...(hasControl ? ["--ctrl", `type=tcp,port=${(tcpPort ?? 0) + 1},bindaddr=127.0.0.1`] : []),
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    let log = "";
    child.stderr?.on("data", (chunk) => {
      log += String(chunk);
    });
    for (let attempt = 0; attempt < 400; attempt++) {
      if (child.exitCode !== null) throw new Error(`swtpm ended with ${child.exitCode}: ${log}`);
      if (tcpPort === undefined ? existsSync(path) : isListening(tcpPort)) return child;
      await sleep(10);
    }
    child.kill("SIGKILL");
    throw new Error(`swtpm does not listen after 4 s: ${log}`);
  };
  let child = await start();
  const end = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
    rmSync(path, { force: true });
  };
  process.once("exit", () => child.kill("SIGKILL"));
  return {
    address: tcpPort === undefined ? `swtpm:path=${path}` : `swtpm:host=127.0.0.1,port=${tcpPort}`,
    manufacturerCas: manufactured
      ? ["ca/swtpm-localca-rootca-cert.pem", "ca/issuercert.pem"].map((name) =>
          readFileSync(join(directory, name), "utf8"),
        )
      : [],
    directory,
    async restart() {
      await end();
      child = await start();
    },
    async stop() {
      await end();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Without asking: swtpm takes one client, and a probe would be it. */
function isListening(port: number): boolean {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .some((line) => {
      const [, local, , status] = line.trim().split(/\s+/);
      return local?.endsWith(wanted) === true && status === "0A";
    });
}

/** A CA of its own beside it, so that no test touches that of the machine. */
function manufacture(directory: string, state: string): void {
  if (setupProgram === undefined) throw new Error("swtpm_setup is not installed: sudo apt-get install swtpm-tools");
  const ca = join(directory, "ca");
  mkdirSync(ca);
  const file = (name: string, lines: readonly string[]): string => {
    writeFileSync(join(directory, name), `${lines.join("\n")}\n`);
    return join(directory, name);
  };
  const localCa = file("swtpm-localca.conf", [
    `statedir = ${ca}`,
    `signingkey = ${ca}/signkey.pem`,
    `issuercert = ${ca}/issuercert.pem`,
    `certserial = ${ca}/certserial`,
  ]);
  const options = file("swtpm-localca.options", [
    "--platform-manufacturer Fleetcert",
    "--platform-version 1",
    "--platform-model test",
  ]);
  const config = file("swtpm_setup.conf", [
    "create_certs_tool = /usr/bin/swtpm_localca",
    `create_certs_tool_config = ${localCa}`,
    `create_certs_tool_options = ${options}`,
    "active_pcr_banks = sha256",
  ]);
  const args = ["--tpm2", "--tpmstate", state, "--config", config, "--create-ek-cert", "--lock-nvram", "--overwrite"];
  const make = (): unknown => execFileSync(setupProgram, args, { stdio: ["ignore", "pipe", "pipe"] });
  try {
    make();
  } catch {
    // On a busy machine swtpm_setup now and then loses the certificate it has just been given.
    make();
  }
}
