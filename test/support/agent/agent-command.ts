import { systemClock } from "../../../agent/src/adapters/system.ts";
import { runProgram } from "../../../agent/src/cli/program.ts";

/** What a command ended with and wrote. */
export interface CommandOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command of `fleetcert-agent` in this process, on a data directory, with no environment but the one given. */
export async function runAgentCommand(
  data: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandOutcome> {
  const written = { stdout: "", stderr: "" };
  const code = await runProgram(args, {
    stdout(text) {
      written.stdout += text;
    },
    stderr(text) {
      written.stderr += text;
    },
    env: { FLEETCERT_AGENT_DATA: data, ...env },
    clock: systemClock,
    failpoint: async () => undefined,
    interrupted: new AbortController().signal,
  });
  return { code, ...written };
}
