import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { FleetError } from "@fleetcert/shared";

/** A process of the demo whose output goes into a log file. */
export interface Child {
  readonly process: ChildProcess;
  readonly logFile: string;
  /** Asks it to end, waits a moment, then ends it. */
  stop(): Promise<void>;
}

/** Starts a long-lived Node program. */
export function startChild(
  args: readonly string[],
  options: { readonly logFile: string; readonly env?: NodeJS.ProcessEnv; readonly ipc?: boolean },
): Child {
  const log = createWriteStream(options.logFile, { flags: "a" });
  const stdio: SpawnOptions["stdio"] = ["ignore", "pipe", "pipe", ...(options.ipc ? (["ipc"] as const) : [])];
  const child = spawn(process.execPath, [...nodeFlags, ...args], { stdio, env: options.env ?? process.env });
  pipeInto(child, log);
  // Whatever ends the demo ends its programs too; what is gone already takes no signal.
  const endWithDemo = () => child.kill("SIGTERM");
  process.once("exit", endWithDemo);
  const ended = once(child, "exit").finally(() => process.off("exit", endWithDemo));
  return {
    process: child,
    logFile: options.logFile,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** Runs a Node program to its end and gives its stdout. Throws when it fails, with what it said. */
export async function runChild(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const { code, out, err } = await childOutcome(args, env);
  if (code === 0) return out;
  throw new FleetError("internal", `${args.slice(0, 3).join(" ")} ended with ${code}: ${err.trim() || out.trim()}`);
}

/** Runs a Node program to its end, however it ends. */
export async function childOutcome(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  const child = spawn(process.execPath, [...nodeFlags, ...args], { stdio: ["ignore", "pipe", "pipe"], env });
  let out = "";
  let err = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    out += chunk.toString("utf8");
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    err += chunk.toString("utf8");
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out, err };
}

function pipeInto(child: ChildProcess, log: WriteStream): void {
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  child.once("close", () => log.end());
}

const nodeFlags = ["--disable-warning=ExperimentalWarning"];
