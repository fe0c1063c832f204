import { mainJob } from "./main-job.ts";
import { revocationScene } from "./revocation-scene.ts";
import type { Scene } from "./scene.ts";

/** What can be played with `npm start -- --scenario NAME`: the scenes of each, in their order. */
export const scenarios = {
  main: [mainJob],
  rotation: [],
  "ca-rollover": [],
  revocation: [revocationScene],
} as const satisfies Readonly<Record<string, readonly Scene[]>>;

/** Name of a scenario. */
export type ScenarioName = keyof typeof scenarios;

/** The scenarios that have scenes. */
export const scenarioNames = (Object.keys(scenarios) as ScenarioName[]).filter((name) => scenarios[name].length > 0);
