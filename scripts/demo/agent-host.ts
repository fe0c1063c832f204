// Runs many agents in one process; those with a token share it. Started by fleet.ts, which talks to it over IPC.
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
  const configs = hosted.map((one) => ({ device: one.device, config: configOf(one) }));
  const withToken = configs.find(({ config }) => config.keys.provider === "pkcs11");
  const token = withToken && (await openKeys(withToken.config));
  await Promise.all(
    configs.map(async ({ device, config }) => {
      const shared = token !== undefined && config.keys.provider === "pkcs11" ? { keys: token } : {};
      agents.set(device, await startAgent(config, shared));
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
