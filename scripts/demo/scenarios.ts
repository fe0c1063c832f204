import { mainJob } from "./main-job.ts";
import { revocationScene } from "./revocation-scene.ts";
import type { Scene } from "./scene.ts";
import { caRollover } from "./scene-ca-rollover.ts";
import { wrongClocks } from "./scene-clocks.ts";
import { courier } from "./scene-courier.ts";
import { comeBackExpired } from "./scene-expired.ts";
import { changeProvider } from "./scene-provider.ts";
import { rotateServices } from "./scene-service.ts";
import { windowsAndWaves } from "./scene-waves.ts";

/** What can be played with `npm start -- --scenario NAME`: the scenes of each, in their order. */
export const scenarios = {
  main: [mainJob],
  rotation: [rotateServices, changeProvider, courier, wrongClocks, comeBackExpired, windowsAndWaves],
  "ca-rollover": [caRollover],
  revocation: [revocationScene],
} as const satisfies Readonly<Record<string, readonly Scene[]>>;

/** Name of a scenario. */
export type ScenarioName = keyof typeof scenarios;

/** The scenarios that have scenes. */
export const scenarioNames = (Object.keys(scenarios) as ScenarioName[]).filter((name) => scenarios[name].length > 0);
