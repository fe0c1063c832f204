export type { Actor, AgeView, DeviceView, Operations, PropagationView, ServiceLevelView } from "./access/operations.ts";
export { connectByOptions as connectController } from "./cli/connect.ts";
export { ageText, serviceLevelText } from "./cli/fleet.ts";
export { type InitOptions, type InitResult, initController } from "./cli/init-controller.ts";
export { type Endpoints, type RunningController, type StartOptions, startController } from "./cli/start-controller.ts";
export { failpoints } from "./failpoints.ts";
