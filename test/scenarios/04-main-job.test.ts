import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { softHsmPart } from "../support/keys/softhsm.ts";
import { tlsAddonPart } from "../support/keys/tls-addon.ts";
import { describeWith, type OptionalPart } from "../support/programs/optional-part.ts";
import { endPrograms, type Program, startProgram } from "../support/programs/processes.ts";

vi.setConfig({ testTimeout: 300_000 });

const fakeTime: OptionalPart = {
  name: "libfaketime",
  isPresent: ["x86_64", "aarch64"].some((arch) => existsSync(`/usr/lib/${arch}-linux-gnu/faketime/libfaketimeMT.so.1`)),
  install: "sudo apt-get install faketime",
};
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "fc-04-"));
});
afterAll(async () => {
  await endPrograms();
  await rm(directory, { recursive: true, force: true });
});

describeWith([softHsmPart, tlsAddonPart, fakeTime], "the main job, as a newcomer runs it", () => {
  it("enrols, rotates and revokes a fleet with keys in tokens, and writes what it saw", async () => {
    const { run, figures } = await play(["--devices", "8"]);
    expect(run.end, run.stderr()).toBe(0);
    expect(figures).toEqual({
      scenario: "main",
      devices: 8,
      enrolled: 8,
      protection: { token: 8, software: 0, attested: 0 },
      rotated: 8,
      rotationFailures: 0,
      offlineCaughtUp: 1,
      clockSkewedRotated: 2,
      revoked: 1,
      revocation: { blockedAtBrokerMs: aTime, acked: 7, expected: 7, p50Ms: aTime, p95Ms: aTime },
      ageHistogram: expect.any(Array),
      auditEvents: expect.any(Number),
      auditValid: true,
      issuance: { p50Ms: aTime, p95Ms: aTime },
      durationS: aTime,
      checks: expect.any(Array),
    });
    const histogram = figures?.ageHistogram ?? [];
    expect(histogram).toContainEqual({ label: expect.any(String), count: 7 });
    expect(histogram.reduce((sum, { count }) => sum + count, 0)).toBe(7);
    // Two certificates for each device, each with intent, outcome and proof.
    expect(figures?.auditEvents).toBeGreaterThan(8 * 2 * 3);
    expectChecksOk(figures);
    expect(figures?.checks.length).toBeGreaterThanOrEqual(15);
  });
});

describe("a small main job", () => {
  it("leaves the special scenes out, reports them as 0, and keeps the PKI for the next run", async () => {
    const first = await play(["--devices", "3", "--keys", "software"], "small");
    expect(first.run.end, first.run.stderr()).toBe(0);
    expect(first.run.stderr()).toContain("made the PKI");
    expect(first.run.stderr()).toContain("SOFTWARE KEYS");
    expectChecksOk(first.figures);
    expect(first.figures).toMatchObject({
      devices: 3,
      enrolled: 3,
      protection: { token: 0, software: 3 },
      rotated: 3,
      offlineCaughtUp: 0,
      clockSkewedRotated: 0,
      revoked: 0,
      revocation: { blockedAtBrokerMs: 0, acked: 0, expected: 0, p50Ms: 0, p95Ms: 0 },
    });
    const second = await play(["--devices", "1", "--keys", "software"], "small");
    expect(second.run.end, second.run.stderr()).toBe(0);
    expect(second.run.stderr()).toContain("kept the PKI");
    expectChecksOk(second.figures);
  });

  it("exits 1 with what to install when a token is asked for and there is none", async () => {
    const { run, figures } = await play(["--devices", "3", "--keys", "pkcs11"], "none", {
      FLEETCERT_DEMO_SOFTHSM: join(directory, "no-such-module.so"),
    });
    expect(run.end).toBe(1);
    expect(run.stderr()).toContain("apt-get install softhsm2");
    expect(figures).toBeUndefined();
  });

  it("takes encrypted files, and says so, when a token would be taken and there is none", async () => {
    const { run, figures } = await play(["--devices", "1"], "fallback", {
      FLEETCERT_DEMO_SOFTHSM: join(directory, "no-such-module.so"),
    });
    expect(run.end, run.stderr()).toBe(0);
    expect(run.stderr()).toContain("SOFTWARE KEYS");
    expect(run.stderr()).toContain("apt-get install softhsm2");
    expect(figures).toMatchObject({ protection: { token: 0, software: 1 } });
  });

  it.each(["--devices 0", "--devices x", "--keys paper", "--scenario other", "--wrong"])(
    "refuses %s with its usage and starts nothing",
    async (args) => {
      const { run } = await play(args.split(" "), "usage");
      expect(run.end).toBe(2);
      expect(run.stderr()).toContain("usage: npm start");
      expect(existsSync(join(directory, "usage", ".demo"))).toBe(false);
    },
  );
});

/** What the test looks into by itself; the rest is compared as a whole. */
interface Figures {
  readonly ageHistogram: readonly { readonly label: string; readonly count: number }[];
  readonly auditEvents: number;
  readonly checks: readonly Readonly<Record<string, unknown>>[];
}

async function play(
  args: readonly string[],
  place = "main",
  env: Readonly<Record<string, string>> = {},
): Promise<{ run: Program; figures: Figures | undefined }> {
  const json = join(directory, `${place}.json`);
  const run = startProgram("scripts/demo/main.ts", ["--headless", "--json", json, ...args], {
    FLEETCERT_DEMO_IN: join(directory, place),
    ...env,
  });
  await run.ended;
  const figures = existsSync(json) ? (JSON.parse(readFileSync(json, "utf8")) as Figures) : undefined;
  return { run, figures };
}

function expectChecksOk(figures: Figures | undefined): void {
  for (const check of figures?.checks ?? []) {
    expect(Object.keys(check).toSorted()).toEqual(["actual", "evidence", "expected", "name", "ok"]);
    expect(check).toMatchObject({ ok: true, evidence: expect.stringMatching(/./) });
  }
  expect(figures?.checks).not.toEqual([]);
}

/** Milliseconds or seconds; some things take less than one. */
const aTime = expect.toSatisfy((value: unknown) => typeof value === "number" && value >= 0);
