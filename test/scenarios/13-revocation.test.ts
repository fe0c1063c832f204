import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { mosquittoPart } from "../support/programs/mosquitto.ts";
import { nginxPart } from "../support/programs/nginx.ts";
import { describeWith } from "../support/programs/optional-part.ts";
import { endPrograms } from "../support/programs/processes.ts";
import { playScenario } from "../support/scenarios/play-scenario.ts";

vi.setConfig({ testTimeout: 300_000 });

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "fc-13-"));
});
afterAll(async () => {
  await endPrograms();
  await rm(directory, { recursive: true, force: true });
});

describeWith([nginxPart, mosquittoPart], "a batch of stolen devices", () => {
  it("is taken away by two persons, and refused by the broker, by services of a device, and by one that was away", async () => {
    const names = await playScenario(directory, "--keys", "software", "--devices", "8", "--scenario", "revocation");
    expect(names).toEqual(
      expect.arrayContaining([
        ...["second-person-required", "dropped-live", "online-proven", "blocked-new", "offline-before-first-use"],
        ...["nginx-refused", "mosquitto-refused"],
      ]),
    );
  });
});
