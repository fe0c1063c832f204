export type { Operations } from "./access/operations.ts";
export { type InitOptions, type InitResult, initController } from "./cli/init-controller.ts";
export { type Endpoints, type RunningController, type StartOptions, startController } from "./cli/start-controller.ts";
export { failpoints } from "./failpoints.ts";
