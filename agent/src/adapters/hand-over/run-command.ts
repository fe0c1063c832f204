import { spawn } from "node:child_process";
import { type Duration, FleetError } from "@fleetcert/shared";

/** A program with its arguments, run without a shell. */
export interface Command {
  readonly command: readonly string[];
  readonly timeout: Duration;
  /** Variables beside PATH and LC_ALL. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Runs a program with fixed arguments, without a shell, in a process group of its own; past its time, or when the signal comes,
 * the whole group is killed. Of what it prints the end is kept for the error. Rejects with `hook-failed` or `timeout`.
 */
export async function runCommand({ command, timeout, env = {} }: Command, signal: AbortSignal): Promise<void> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", ...env },
  });
  let output = "";
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString("utf8")).slice(-maxOutput);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const kill = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  };
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    kill();
  }, timeout);
  signal.addEventListener("abort", kill, { once: true });
  if (signal.aborted) kill();
  try {
    const ended = await new Promise<{ code: number | null; by: string | null }>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, by) => resolve({ code, by }));
    });
    if (isLate) throw new FleetError("timeout", `${program} did not end within ${timeout} ms and was killed`);
    if (ended.code !== 0) {
      throw new FleetError("hook-failed", `${program} ended with ${ended.code ?? ended.by}: ${output.trim()}`);
    }
  } catch (cause) {
    if (cause instanceof FleetError) throw cause;
    throw new FleetError("hook-failed", `${program} cannot be started`, { cause });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", kill);
    // Children it left behind may hold the pipes open.
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

const maxOutput = 2048;
