import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { endPrograms } from "../support/programs/processes.ts";
import { playScenario } from "../support/scenarios/play-scenario.ts";

vi.setConfig({ testTimeout: 400_000 });

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "fc-11-"));
});
afterAll(async () => {
  await endPrograms();
  await rm(directory, { recursive: true, force: true });
});

const ofBoth = ["acks-before-switch", "re-issued", "old-issuer-removed", "offline-caught-up", "connect-failures"];

describe("another issuing CA for a fleet that works", () => {
  it.each([
    ["ca-rollover", ofBoth],
    ["root-rollover", [...ofBoth, "old-root-removed", "claim-of-before"]],
  ])(
    "%s waits for the devices' word, re-issues in waves, retires the old one, and loses nobody, also of those switched off",
    async (scenario, expected) => {
      expect(await playScenario(directory, "--keys", "software", "--scenario", scenario)).toEqual(expected);
    },
  );
});
