import { mainJob } from "./main-job.ts";
import { revocationScene } from "./revocation-scene.ts";
import type { Scene } from "./scene.ts";
import { caRollover, rootRollover } from "./scene-ca-rollover.ts";
import { wrongClocks } from "./scene-clocks.ts";
import { courier } from "./scene-courier.ts";
import { comeBackExpired } from "./scene-expired.ts";
import { changeProvider } from "./scene-provider.ts";
import { rotateServices } from "./scene-service.ts";
import { windowsAndWaves } from "./scene-waves.ts";

/** What can be played with `npm start -- --scenario NAME`: the scenes of each by their names, in their order. */
const scenarios = {
  main: { job: mainJob },
  rotation: {
    ...{ services: rotateServices, provider: changeProvider, courier },
    ...{ clocks: wrongClocks, expired: comeBackExpired, waves: windowsAndWaves },
  },
  "ca-rollover": { rollover: caRollover },
  "root-rollover": { rollover: rootRollover },
  revocation: { revocation: revocationScene },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Scene>>>>;

/** Name of a scenario. */
export type ScenarioName = keyof typeof scenarios;

/** Every scenario. */
export const scenarioNames = Object.keys(scenarios) as ScenarioName[];

/** The scenes of a scenario, in their order: all, or those that are named. */
export function scenesOf(scenario: ScenarioName, only: readonly string[] = []): [name: string, scene: Scene][] {
  return Object.entries(scenarios[scenario]).filter(([name]) => only.length === 0 || only.includes(name));
}
