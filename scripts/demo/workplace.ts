import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder a run lives in: the controller stays from run to run, the fleet is new each time. */
export interface Workplace {
  readonly controller: string;
  /** Whether an earlier run has made the PKI. */
  readonly hasPki: boolean;
  /** Number of this run; part of its devices' ids. */
  readonly run: number;
  readonly agents: string;
  readonly tokens: string;
  /** Of the manufacturer whose TPMs the devices have; stays as the controller does. */
  readonly manufacturer: string;
  readonly logs: string;
  readonly claimFile: string;
}

/** Opens `.demo/`; with `reset` everything of earlier runs is removed first. */
export async function openWorkplace({ reset }: { readonly reset: boolean }): Promise<Workplace> {
  if (reset) await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const run = await nextRun();
  const place = {
    controller: join(folder, "controller"),
    hasPki: existsSync(join(folder, "controller", "config.yaml")),
    run,
    agents: join(folder, "agents"),
    tokens: join(folder, "tokens"),
    manufacturer: join(folder, "tpm-manufacturer"),
    logs: join(folder, "logs"),
    claimFile: join(folder, "claim"),
  };
  for (const each of [place.agents, place.tokens, place.logs, place.claimFile]) {
    await rm(each, { recursive: true, force: true });
  }
  for (const each of [place.agents, place.tokens, place.logs]) await mkdir(each, { mode: 0o700 });
  return place;
}

/** Root of the repository. */
export const repository = fileURLToPath(new URL("../..", import.meta.url));

async function nextRun(): Promise<number> {
  const file = join(folder, "runs");
  const last = existsSync(file) ? Number(await readFile(file, "utf8")) : 0;
  const run = Number.isSafeInteger(last) ? last + 1 : 1;
  await writeFile(file, String(run));
  return run;
}

/** In the repository, or where FLEETCERT_DEMO_IN says; nothing but `.demo` itself is ever removed. */
const folder = join(process.env["FLEETCERT_DEMO_IN"] ?? repository, ".demo");
