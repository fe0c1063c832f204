import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import type { Clock } from "@fleetcert/shared";
import { type Command, Option } from "commander";
import type { Failpoint } from "../ports.ts";
import { type OutputFormat, outputFormats } from "./output/render.ts";

/** What a command may touch of the world. */
export interface CliContext {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly failpoint: Failpoint;
  /** Aborts when the process is asked to end. */
  readonly interrupted: AbortSignal;
}

/** Ends a command with an exit code when its output has said everything already. */
export class QuietExit extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

/** The options every command takes. */
export function addGlobalOptions(program: Command): Command {
  return program
    .option("--data <dir>", "data directory of the agent (FLEETCERT_AGENT_DATA)")
    .addOption(new Option("-o, --output <format>", "form of the output").choices([...outputFormats]).default("table"))
    .option("--json", "the same as -o json")
    .option("-v, --verbose", "show the trace of an error");
}

/** The output format a command was asked for. */
export function formatOf(command: Command): OutputFormat {
  const { json, output } = command.optsWithGlobals<{ json?: boolean; output: OutputFormat }>();
  return json === true ? "json" : output;
}

/** The data directory a command works on: the flag, the environment, or where a service or a person keeps such things. */
export function dataOf(command: Command, { env }: CliContext): string {
  const { data } = command.optsWithGlobals<{ data?: string }>();
  const state = env["XDG_STATE_HOME"] ?? join(homedir(), ".local", "state");
  const standard = userInfo().uid === 0 ? "/var/lib/fleetcert-agent" : join(state, "fleetcert-agent");
  return data ?? env["FLEETCERT_AGENT_DATA"] ?? standard;
}
