import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { FleetError } from "@fleetcert/shared";

/** Tells a broker to read its files again: SIGHUP to the process whose id the file holds. Throws `hook-failed`. */
export async function reloadBySignal({
  name,
  pidFile,
}: {
  readonly name: string;
  readonly pidFile: string;
}): Promise<void> {
  try {
    const pid = Number((await readFile(pidFile, "utf8")).trim());
    if (!Number.isSafeInteger(pid) || pid < 2) throw new Error(`${pidFile} holds no process id`);
    process.kill(pid, "SIGHUP");
  } catch (cause) {
    throw new FleetError("hook-failed", `the external broker ${name} cannot be told to read its lists`, {
      hint: "the controller must run on its host and may signal its process; or set a command: broker.reload",
      cause,
    });
  }
}

/** Runs a program of the configuration, without a shell, for half a minute at most. Throws `hook-failed`. */
export async function runBrokerCommand([program = "", ...args]: readonly string[]): Promise<void> {
  const options = { timeout: commandPatienceMs, killSignal: "SIGKILL", maxBuffer: maxOutput } as const;
  await promisify(execFile)(program, args, options).catch((cause: Error) => {
    throw new FleetError("hook-failed", `${program} failed: ${cause.message.slice(0, 512).trim()}`, {
      hint: "it is a command of broker in config.yaml",
      cause,
    });
  });
}

const commandPatienceMs = 30_000;
const maxOutput = 256 * 1024;
