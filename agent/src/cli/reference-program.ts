import type { Command } from "commander";
import { buildProgram } from "./program.ts";

/** The whole program as the reference page shows it: every command can be looked at, none can be run. */
export function referenceProgram(): Command {
  const none = (): never => {
    throw new Error("this program is only looked at");
  };
  return buildProgram({
    ...{ stdout: none, stderr: none, failpoint: none },
    clock: { now: none, monotonic: none },
    env: {},
    interrupted: new AbortController().signal,
  });
}
