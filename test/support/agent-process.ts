import { spawn } from "node:child_process";
import { join } from "node:path";

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A `fleetcert-agent` process of this checkout. */
export interface AgentProcess {
  readonly ended: Promise<ProcessEnd>;
  kill(signal: NodeJS.Signals): void;
}

/** Starts `fleetcert-agent` with arguments and additions to the environment. */
export function startAgentProcess(args: readonly string[], env: Readonly<Record<string, string>> = {}): AgentProcess {
  const main = join(import.meta.dirname, "..", "..", "agent", "src", "main.ts");
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", main, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  }
  const ended = new Promise<ProcessEnd>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, ...output }));
  });
  return { ended, kill: (signal) => void child.kill(signal) };
}
