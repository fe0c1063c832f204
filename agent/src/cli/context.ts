import type { Clock, OutputFormat } from "@fleetcert/shared";
import type { Command } from "commander";
import type { Failpoint } from "../ports.ts";
import { dataDirectory } from "./data-directory.ts";

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

/** The output format a command was asked for. */
export function formatOf(command: Command): OutputFormat {
  const { json, output } = command.optsWithGlobals<{ json?: boolean; output: OutputFormat }>();
  return json === true ? "json" : output;
}

/** The data directory a command works on. */
export function dataOf(command: Command, { env }: CliContext): string {
  const { data } = command.optsWithGlobals<{ data?: string }>();
  return dataDirectory(data, env);
}
