import { stat } from "node:fs/promises";
import { FleetError, fromNow } from "@fleetcert/shared";
import type { Command } from "commander";
import { askLocalSocket } from "../adapters/local-socket.ts";
import { probeServer } from "../adapters/probe-server.ts";
import type { AgentConfig } from "../config.ts";
import { type CliContext, dataOf } from "./context.ts";
import { socketPath } from "./data-directory.ts";
import { type Finding, look, showFindings } from "./finding.ts";
import { loadConfig } from "./load-config.ts";
import type { StatusView } from "./status-view.ts";

/** `doctor`: looks at everything an agent needs, changes nothing, and says what to do about what is wrong. */
export function registerDoctor(program: Command, context: CliContext): void {
  program
    .command("doctor")
    .description("look at everything this agent needs and say what to do about what is wrong")
    .action(async (_options: object, command: Command) => {
      const data = dataOf(command, context);
      const findings = await examine(data, context);
      showFindings(findings, command, context);
    });
}

/** What cannot be looked at without the one before it is left out. */
async function examine(data: string, context: CliContext): Promise<Finding[]> {
  const directory = await look("data directory", () => lookAtDirectory(data));
  if (!directory.isOk) return [directory];
  let config: AgentConfig | undefined;
  const configuration = await look("configuration", async () => {
    config = await loadConfig(data, context.env);
    return "complete";
  });
  if (config === undefined) return [directory, configuration];
  const known: AgentConfig = config;
  const { host, brokerHost, port, bootstrapPort } = known.controller;
  return [
    directory,
    configuration,
    await look("credential", async () => lookAtStatus(await readStatus(data, context))),
    await look("key store", () => lookAtKeys(known)),
    await look("controller", () => probeServer(brokerHost || host, port)),
    await look("controller, bootstrap", () => probeServer(host, bootstrapPort)),
  ];
}

async function lookAtDirectory(data: string): Promise<string> {
  const { mode } = await stat(data).catch((cause: unknown) => {
    throw new FleetError("data-directory", `${data} does not exist`, {
      cause,
      hint: "enrol first, or name another with --data",
    });
  });
  if ((mode & 0o022) === 0) return data;
  throw new FleetError("data-directory", `others may write to ${data}`, { hint: `chmod go-w ${data}` });
}

/** A running agent holds its token already; opening the provider once more does no harm. */
async function lookAtKeys(config: AgentConfig): Promise<string> {
  const { openKeys } = await import("./start-agent.ts");
  const keys = await openKeys(config);
  try {
    const { kind, protection, description } = keys.info;
    const count = (await keys.list("fleetcert:")).length;
    return `${kind} (${protection}), ${description}, ${count} keys of this agent`;
  } finally {
    await keys.close();
  }
}

async function lookAtStatus(status: StatusView): Promise<string> {
  const [slot] = status.slots;
  const certificate = slot?.certificate;
  if (certificate === undefined) {
    throw new FleetError("not-found", "there is no credential yet", {
      hint: slot?.lastReason || "fleetcert-agent enrol …",
    });
  }
  if (certificate.notAfter < status.time.at) {
    throw new FleetError("conflict", `the certificate expired ${fromNow(certificate.notAfter, status.time.at)}`, {
      hint: "run the agent: it renews an expired credential by itself while the controller allows it",
    });
  }
  if (slot !== undefined && slot.lastError !== "") {
    throw new FleetError("conflict", `rotation waits at ${slot.journal}: ${slot.lastReason} (${slot.lastError})`);
  }
  return `generation ${certificate.generation}, expires ${fromNow(certificate.notAfter, status.time.at)}`;
}

async function readStatus(data: string, { env, clock }: CliContext): Promise<StatusView> {
  const answer = await askLocalSocket(socketPath(data), "GET", "/v1/status");
  if (answer !== undefined) return answer as StatusView;
  const { storedStatus } = await import("./stored-state.ts");
  return await storedStatus(data, env, clock);
}
