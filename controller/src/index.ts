export type { PropagationView } from "./access/governed.ts";
export type { Actor, AgeView, DeviceView, Operations, ServiceLevelView } from "./access/operations.ts";
export { rolePermissions } from "./access/permissions.ts";
export { routes } from "./access/routes.ts";
export { metricCatalogue } from "./adapters/metrics/metric-names.ts";
export { auditEvents } from "./audit/events.ts";
export { connectByOptions as connectController } from "./cli/connect.ts";
export { distributionText, serviceLevelText } from "./cli/fleet.ts";
export { type InitOptions, type InitResult, initController } from "./cli/init-controller.ts";
export { referenceProgram } from "./cli/reference-program.ts";
export {
  type Endpoints,
  type RunningController,
  type StartOptions,
  startController,
} from "./cli/serving/start-controller.ts";
export { settingRows } from "./config.ts";
export { failpoints } from "./failpoints.ts";
