import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { endPrograms, startProgram } from "../support/processes.ts";

vi.setConfig({ testTimeout: 400_000 });

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "fc-11-"));
});
afterAll(async () => {
  await endPrograms();
  await rm(directory, { recursive: true, force: true });
});

describe("another issuing CA for a fleet that works", () => {
  it("waits for the devices' word, re-issues in waves, retires the old one, and loses nobody, also of those switched off", async () => {
    const json = join(directory, "figures.json");
    const args = ["--headless", "--keys", "software", "--scenario", "ca-rollover", "--json", json];
    const run = startProgram("scripts/demo/main.ts", args, { FLEETCERT_DEMO_IN: directory });
    await run.ended;
    expect(run.end, run.stderr()).toBe(0);
    const { checks } = JSON.parse(await readFile(json, "utf8")) as {
      readonly checks: readonly { readonly name: string; readonly ok: boolean }[];
    };
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(checks.map(({ name }) => name)).toEqual([
      ...["acks-before-switch", "re-issued", "old-issuer-removed", "offline-caught-up", "connect-failures"],
    ]);
  });
});
