import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { startProgram } from "../programs/processes.ts";

/** Plays a scenario of `npm start` in a folder, as a person would, and resolves with the names of its checks, all of which were ok. */
export async function playScenario(directory: string, ...args: string[]): Promise<string[]> {
  const json = join(directory, "figures.json");
  const whole = ["--headless", "--json", json, ...args];
  const run = startProgram("scripts/demo/main.ts", whole, { FLEETCERT_DEMO_IN: directory });
  await run.ended;
  const { checks } = JSON.parse(await readFile(json, "utf8").catch(() => '{"checks":[]}')) as {
    readonly checks: readonly { readonly name: string; readonly ok: boolean }[];
  };
  expect(checks.filter(({ ok }) => !ok)).toEqual([]);
  expect(run.end, run.stderr()).toBe(0);
  return checks.map(({ name }) => name);
}
