import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { failpoints } from "@fleetcert/agent";
import { parseCertificate, sha256Hex, spkiSha256 } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { referencedKeys, type SlotState } from "../../agent/src/renewal/slot-state.ts";
import { softHsmPart, startSoftHsm } from "../support/keys/softhsm.ts";
import { tlsAddonPart } from "../support/keys/tls-addon.ts";
import { type AgentToken, makeAgentToken } from "../support/keys/tokens-of-agent.ts";
import { describeWith } from "../support/programs/optional-part.ts";
import type { Program } from "../support/programs/processes.ts";
import {
  type AgentPlace,
  journalOf,
  placeAgent,
  startAgentRun,
  untilSettled,
} from "../support/scenarios/scenario-agent.ts";
import { administrator } from "../support/scenarios/scenario-controller.ts";
import { openScenarioFleet, type ScenarioFleet } from "../support/scenarios/scenario-fleet.ts";
import { storeFaults } from "../support/scenarios/scenario-store.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });
const isLong = process.env["FLEETCERT_LONG"] === "1";

describeWith([softHsmPart, tlsAddonPart], "an agent with its keys in a token, killed", () => {
  const hsm = startSoftHsm();
  const died = { enrolling: new Set<string>(), rotating: new Set<string>() };
  let fleet: ScenarioFleet;

  beforeAll(async () => {
    fleet = await openScenarioFleet("fc-02-");
  });
  afterAll(async () => {
    await fleet?.end();
    hsm.remove();
  });

  it.concurrent.each(failpoints)("at %s, enrols and rotates all the same (I1, I4, I5, I11, I12)", async (failpoint) => {
    const device = await prepare(failpoint.replaceAll(".", "-").toLowerCase());
    const enrolling = startAgentRun(device.place, failpoint);
    if (await endsBeforeSettled(device, enrolling, 1)) {
      died.enrolling.add(failpoint);
      expect(enrolling.end).toBe("SIGKILL");
      await expectNothingLost(device);
      await expectConverges(device, 1);
    } else await enrolling.stop();

    await fleet.operations.rotations.request(administrator, { devices: [device.place.device] });
    const rotating = startAgentRun(device.place, failpoint);
    if (await endsBeforeSettled(device, rotating, 2)) {
      died.rotating.add(failpoint);
      expect(rotating.end).toBe("SIGKILL");
      await expectNothingLost(device);
    } else await rotating.stop();
    await expectConverges(device, 2);
  });

  it("dies at every failpoint while it rotates, and at all but those of an old key while it enrols", () => {
    expect([...died.rotating].toSorted()).toEqual([...failpoints].toSorted());
    const ofAnOldKey = ["renewal.confirmed", "renewal.oldRetired", "renewal.after-destroy"];
    expect(new Set([...died.enrolling, ...ofAnOldKey])).toEqual(new Set(failpoints));
  });

  it.concurrent.each(Array.from({ length: isLong ? 30 : 3 }, (_, index) => index))(
    "at any moment (%i), loses nothing however often (I1, I11, I12)",
    async (index) => {
      const device = await prepare(`any-${index}`);
      for (const generation of [1, 2]) {
        if (generation > 1) await fleet.operations.rotations.request(administrator, { devices: [device.place.device] });
        for (let kills = 0; kills < 3; kills += 1) {
          const running = startAgentRun(device.place);
          await sleep(400 + Math.random() * 1200);
          await running.kill();
          if (device.token.isTorn()) return;
          await expectNothingLost(device);
        }
        await expectConverges(device, generation);
      }
    },
  );

  it("leaves a controller in whose store everything holds (I2, I4, I5, I9)", async () => {
    // What waited for company is published with it.
    const { items } = await fleet.operations.devices.list(administrator, { limit: 1 });
    const device = items[0]?.id ?? "";
    await fleet.operations.revocations.revoke(administrator, { device, reason: "cessationOfOperation" });
    await fleet.program.stop();
    expect(await storeFaults(fleet.controller.data)).toEqual([]);
  });

  interface Device {
    readonly place: AgentPlace;
    readonly token: AgentToken;
  }

  async function prepare(device: string): Promise<Device> {
    const token = await makeAgentToken(hsm, device, fleet.directory);
    const data = join(fleet.directory, device);
    return { token, place: await placeAgent({ data, device, ...fleet, keys: token.keys }) };
  }

  /** Whether the process ended by itself; otherwise it has nothing under way at the generation. */
  async function endsBeforeSettled({ place }: Device, program: Program, generation: number): Promise<boolean> {
    const settled = untilSettled(place, program, generation).then(
      () => false,
      (error: unknown) => {
        if (program.end === undefined) throw error;
        return true;
      },
    );
    return Promise.race([settled, program.ended.then(() => true)]);
  }

  /** What the disk and the token hold right after a kill: a usable credential once there was one, one stray key at most. */
  async function expectNothingLost({ place, token }: Device): Promise<void> {
    const state = await journalOf(place);
    const keys = await token.list();
    const stray = keys.filter(({ id }) => !referencedKeys(state).includes(id));
    expect(stray.length).toBeLessThanOrEqual(1);
    const known = await proven(place.device);
    if (known.length === 0) return;
    const usable = credentialsOf(state).filter(({ key, certificate }) => {
      const isPresent = keys.some(({ id }) => id === key.id && id === spkiSha256(parseCertificate(certificate).spki));
      return isPresent && known.includes(sha256Hex(certificate));
    });
    expect(usable).not.toEqual([]);
  }

  /** Restarts the agent plainly and waits until it has what was wanted: one proven credential, its key and no other. */
  async function expectConverges({ place, token }: Device, generation: number): Promise<void> {
    const running = startAgentRun(place);
    const status = await untilSettled(place, running, generation);
    await running.stop();
    expect(running.end).toBe(0);
    const state = await journalOf(place);
    const { current } = state;
    expect(current?.generation).toBe(generation);
    expect((await token.list()).map(({ id }) => id)).toEqual([current?.key.id]);
    expect(spkiSha256(parseCertificate(current?.certificate ?? new Uint8Array()).spki)).toBe(current?.key.id);
    expect(await proven(place.device)).toEqual([status.slots[0]?.certificate?.sha256]);
    const { certificates } = await fleet.operations.devices.show(administrator, place.device);
    expect(certificates.map((one) => one.generation)).toEqual(generation === 1 ? [1] : [2, 1]);
  }

  /** SHA-256 of the certificates the controller has seen in use and takes. */
  async function proven(device: string): Promise<string[]> {
    const shown = await fleet.operations.devices.show(administrator, device).catch(() => undefined);
    return (shown?.certificates ?? []).filter(({ state }) => state === "proven").map(({ sha256 }) => sha256);
  }

  function credentialsOf({ current, unproven, journal }: SlotState) {
    const pending = "next" in journal ? journal.next : undefined;
    const old = journal.at === "confirmed" ? journal.old : undefined;
    return [current, unproven, pending, old].filter((one) => one !== undefined);
  }
});
