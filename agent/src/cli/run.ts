import { join, resolve } from "node:path";
import type { Command } from "commander";
import { openJsonLog } from "../adapters/json-log.ts";
import { serveLocalSocket } from "../adapters/local-socket.ts";
import { answerLocal } from "./answer-local.ts";
import { type CliContext, dataOf } from "./context.ts";
import { loadConfig } from "./load-config.ts";
import { startAgent } from "./start-agent.ts";

/** `run`: the agent as a service, until it is asked to end. */
export function registerRun(program: Command, context: CliContext): void {
  program
    .command("run")
    .description("keep this device enrolled, renewed and aware of revocations, until SIGTERM")
    .action(async (_options: object, command: Command) => {
      const data = resolve(dataOf(command, context));
      const config = await loadConfig(data, context.env);
      const log = openJsonLog({ level: config.log.level, device: config.device === "" ? undefined : config.device });
      const agent = await startAgent(config, { failpoint: context.failpoint, log });
      const socket = await serveLocalSocket(socketPath(data), (method, path) => answerLocal(agent, method, path)).catch(
        (error: unknown) => log.warn({ error }, "no local socket"),
      );
      log.info({ data }, "agent started");
      try {
        await Promise.race([agent.ended, whenAborted(context.interrupted)]);
      } finally {
        await socket?.close();
        await agent.stop();
        log.info({}, "agent stopped");
      }
    });
}

/** Where a running agent listens to this host. */
export function socketPath(data: string): string {
  return join(data, "agent.sock");
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    signal.addEventListener("abort", () => done(), { once: true });
  });
}
