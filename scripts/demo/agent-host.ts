// Runs many agents in one process over one key store. Started by fleet.ts, which talks to it over IPC.
import { openKeys, type RunningAgent, readConfig, startAgent } from "@fleetcert/agent";
import type { AgentReport, HostCommand, HostedAgent } from "./fleet.ts";

const agents = new Map<string, RunningAgent>();

process.on("message", (command: HostCommand) => {
  handle(command).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exitCode = 1;
    process.disconnect();
  });
});
process.once("SIGTERM", () => void stopAll());
process.once("disconnect", () => void stopAll());

async function handle(command: HostCommand): Promise<void> {
  if (command.type === "start") await startAll(command.agents);
  else process.send?.({ type: "reports", id: command.id, reports: [...agents].map(reportOf) });
}

async function startAll(hosted: readonly HostedAgent[]): Promise<void> {
  const [first] = hosted;
  if (first === undefined) return;
  const keys = await openKeys(configOf(first));
  await Promise.all(
    hosted.map(async (one) => {
      agents.set(one.device, await startAgent(configOf(one), { keys }));
    }),
  );
}

function configOf({ data, settings }: HostedAgent) {
  return { ...readConfig({ flags: settings }), data };
}

function reportOf([device, agent]: [string, RunningAgent]): AgentReport {
  const { connection } = agent.status();
  return { device, state: connection?.state ?? "stopped", lastError: connection?.lastError ?? "" };
}

async function stopAll(): Promise<void> {
  await Promise.all([...agents.values()].map((agent) => agent.stop()));
  process.exit();
}
