import { homedir, userInfo } from "node:os";
import { join, resolve } from "node:path";

/** The data directory to work on: the one given, the environment's, or where a service or a person keeps such things. */
export function dataDirectory(given: string | undefined, env: Readonly<Record<string, string | undefined>>): string {
  const state = env["XDG_STATE_HOME"] ?? join(homedir(), ".local", "state");
  const standard = userInfo().uid === 0 ? "/var/lib/fleetcert-agent" : join(state, "fleetcert-agent");
  return resolve(given ?? env["FLEETCERT_AGENT_DATA"] ?? standard);
}

/** Where an agent that runs on a data directory listens to this host. */
export function socketPath(data: string): string {
  return join(data, "agent.sock");
}
