import { openJsonLog } from "../adapters/json-log.ts";
import { serveLocalSocket } from "../adapters/local-socket.ts";
import { answerLocal } from "./answer-local.ts";
import type { CliContext } from "./context.ts";
import { socketPath } from "./data-directory.ts";
import { loadKeptConfig } from "./kept-config.ts";
import { startAgent } from "./start-agent.ts";

/** Runs the agent of a data directory until it is asked to end. Throws as {@link loadKeptConfig} and {@link startAgent} do. */
export async function runAgent(data: string, { env, failpoint, interrupted }: CliContext): Promise<void> {
  const config = await loadKeptConfig(data, env);
  const log = openJsonLog({ level: config.log.level, device: config.device === "" ? undefined : config.device });
  const agent = await startAgent(config, { failpoint, log });
  const socket = await serveLocalSocket(socketPath(data), (method, path, body) =>
    answerLocal(agent, { method, path, body, signal: interrupted }),
  ).catch((error: unknown) => log.warn({ error }, "no local socket"));
  log.info({ data }, "agent started");
  try {
    await Promise.race([agent.ended, whenAborted(interrupted)]);
  } finally {
    await socket?.close();
    await agent.stop();
    log.info({}, "agent stopped");
  }
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    signal.addEventListener("abort", () => done(), { once: true });
  });
}
