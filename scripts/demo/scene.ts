import type { Checks } from "./checks.ts";
import type { Stage } from "./stage.ts";

/** Figures of a scene, for the file of `--json`; they stand beside those of the scenario's other scenes. */
export type SceneFigures = Readonly<Record<string, unknown>>;

/**
 * One part of a scenario: does something on the stage, says what it expected and saw in the checks, prints what a person should
 * see, and returns its figures. It starts what it needs, on names of its own, and hands what has to be stopped to `stage.atEnd`.
 */
export type Scene = (stage: Stage, checks: Checks) => Promise<SceneFigures>;
