import { errorText, exitCodeOf, exitCodes } from "@fleetcert/shared";
import type { CliContext } from "./context.ts";
import { dataDirectory } from "./data-directory.ts";

/**
 * Runs the agent when the arguments are `run [--data DIR]`, as a service gives them, without loading the rest of the command
 * line: it would stay in memory for as long as the device runs (2 MB). Undefined when the arguments are others.
 */
export async function runAsService(args: readonly string[], context: CliContext): Promise<number | undefined> {
  const wanted = serviceArguments(args);
  if (wanted === undefined) return undefined;
  const { runAgent } = await import("./run-agent.ts");
  try {
    await runAgent(dataDirectory(wanted.data, context.env), context);
    return exitCodes.ok;
  } catch (error) {
    context.stderr(errorText(error, { json: false, verbose: false }));
    return exitCodeOf(error);
  }
}

function serviceArguments(args: readonly string[]): { readonly data?: string } | undefined {
  const [command, option, value, ...more] = args;
  if (command !== "run" || more.length > 0) return undefined;
  if (option === undefined) return {};
  if (value === undefined) return option.startsWith("--data=") ? { data: option.slice("--data=".length) } : undefined;
  return option === "--data" && !value.startsWith("-") ? { data: value } : undefined;
}
