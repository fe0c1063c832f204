export type { RunningAgent } from "./cli/assemble-agent.ts";
export { loadConfig } from "./cli/load-config.ts";
export { referenceProgram } from "./cli/reference-program.ts";
export { type AgentSurroundings, openKeys, startAgent } from "./cli/start-agent.ts";
export type { CertificateView, SlotView, StatusView } from "./cli/status-view.ts";
export { type AgentConfig, agentSettings, type ConfigChanges, readConfig } from "./config.ts";
export { type FailpointName, failpoints } from "./failpoints.ts";
