import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endPrograms } from "../programs/processes.ts";
import {
  administrator,
  type ControllerPlace,
  makeController,
  type ServingController,
  serve,
} from "./scenario-controller.ts";

/** A controller that serves, a claim for all its agents, and the directory they live in. */
export interface ScenarioFleet extends ServingController {
  readonly directory: string;
  readonly controller: ControllerPlace;
  readonly claimFile: string;
  /** Ends every program of the test and removes the directory. */
  end(): Promise<void>;
}

/** Makes a controller, serves it, and writes a claim of 1,000 uses; `name` begins the name of the directory. */
export async function openScenarioFleet(name: string): Promise<ScenarioFleet> {
  const directory = await mkdtemp(join(tmpdir(), name));
  const claimFile = join(directory, "claim");
  const controller = await makeController(join(directory, "controller"));
  const serving = await serve(controller);
  const { claimString } = await serving.operations.claims.create(administrator, { maxUses: 1000, validFor: 3_600_000 });
  await writeFile(claimFile, claimString, { mode: 0o600 });
  return {
    ...serving,
    ...{ directory, controller, claimFile },
    async end() {
      await endPrograms();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
