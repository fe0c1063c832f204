import type { Command } from "commander";
import { type CliContext, dataOf } from "./context.ts";

/** `run`: the agent as a service, until it is asked to end. */
export function registerRun(program: Command, context: CliContext): void {
  program
    .command("run")
    .description("keep this device enrolled, renewed and aware of revocations, until SIGTERM")
    .action(async (_options: object, command: Command) => {
      const { runAgent } = await import("./run-agent.ts");
      await runAgent(dataOf(command, context), context);
    });
}
