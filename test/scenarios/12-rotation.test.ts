import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { softHsmPart } from "../support/keys/softhsm.ts";
import { fakeTimePart } from "../support/programs/faketime.ts";
import { mosquittoPart } from "../support/programs/mosquitto.ts";
import { nginxPart } from "../support/programs/nginx.ts";
import { describeWith } from "../support/programs/optional-part.ts";
import { endPrograms } from "../support/programs/processes.ts";
import { playScenario } from "../support/scenarios/play-scenario.ts";

vi.setConfig({ testTimeout: 300_000 });

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "fc-12-"));
});
afterAll(async () => {
  await endPrograms();
  await rm(directory, { recursive: true, force: true });
});

/** Some scenes of the rotation; the PKI of the one before is kept. */
const play = (keys: string, ...only: string[]) =>
  playScenario(directory, "--keys", keys, "--scenario", "rotation", "--only", only.join(","));

describeWith([nginxPart, mosquittoPart, softHsmPart], "the certificates of a host's services", () => {
  it("are rotated without a request that fails, taken back when the service refuses, and keys move into a token", async () => {
    expect(await play("pkcs11", "services", "provider")).toEqual([
      ...["service-requests-failed", "service-certificates-served", "rollback-served-old-sha256", "rollback-recovered"],
      "provider-changed",
    ]);
  });
});

describeWith([fakeTimePart], "devices that are seldom there, or whose clocks are wrong,", () => {
  it("are rotated by files, at 1970 and 400 days off, and after their certificate has ended", async () => {
    expect(await play("software", "courier", "clocks", "expired")).toEqual([
      ...["courier-applied", "courier-tamper-refused"],
      ...["clock-1970", "clock-minus-400d", "clock-plus-400d", "renewed-after-expiry"],
    ]);
  });
});

describe("a fleet that enrolled together", () => {
  it("renews spread over months, and stops at canaries that do not prove", async () => {
    expect(await play("software", "waves")).toEqual(["windows-spread", "wave-paused-untouched", "wave-resumed"]);
  });
});
