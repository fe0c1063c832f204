export type { Operations } from "./access/operations.ts";
export { rolePermissions } from "./access/permissions.ts";
export { routes } from "./access/routes.ts";
export { metricCatalogue } from "./adapters/metrics/metric-names.ts";
export { auditEvents } from "./audit/events.ts";
export { type InitOptions, type InitResult, initController } from "./cli/init-controller.ts";
export { type Endpoints, type RunningController, type StartOptions, startController } from "./cli/start-controller.ts";
export { failpoints } from "./failpoints.ts";
