import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { softHsmPart, startSoftHsm } from "../support/keys/softhsm.ts";
import { tlsAddonPart } from "../support/keys/tls-addon.ts";
import { makeAgentToken } from "../support/keys/tokens-of-agent.ts";
import { fakeTimePart, wallClock } from "../support/programs/faketime.ts";
import { describeWith } from "../support/programs/optional-part.ts";
import { startProgram, untilSeen } from "../support/programs/processes.ts";
import {
  type AgentPlace,
  askAgent,
  placeAgent,
  startAgentRun,
  untilSettled,
} from "../support/scenarios/scenario-agent.ts";
import { administrator } from "../support/scenarios/scenario-controller.ts";
import { openScenarioFleet, type ScenarioFleet } from "../support/scenarios/scenario-fleet.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const day = 86_400_000;
/** Wall clocks, and how far each is off at the time of the test. */
const clocks = [
  ["1970", "@1970-01-01 00:01:00", () => 60_000 - Date.now()],
  ["400 days behind", "-400d", () => -400 * day],
  ["400 days ahead", "+400d", () => 400 * day],
] as const;

describeWith([softHsmPart, tlsAddonPart, fakeTimePart], "a device whose clock shows", () => {
  const hsm = startSoftHsm();
  let fleet: ScenarioFleet;

  beforeAll(async () => {
    fleet = await openScenarioFleet("fc-05-");
  });
  afterAll(async () => {
    await fleet?.end();
    hsm.remove();
  });

  /** A device with a token of its own whose processes see that wall clock. */
  async function aDevice(name: string, faketime: string) {
    const device = `${name.replaceAll(" ", "-")}`;
    const token = await makeAgentToken(hsm, device, fleet.directory);
    const keys = { ...token.keys, env: { ...token.keys.env, ...wallClock(faketime) } };
    const place = await placeAgent({ data: join(fleet.directory, device), device, ...fleet, keys });
    return { place, token };
  }

  const shown = ({ device }: AgentPlace) => fleet.operations.devices.show(administrator, device);

  /** What it told of its clock, once it has told what the clock really shows. */
  const offsetOf = (place: AgentPlace, isRight: (offset: number) => boolean) =>
    untilSeen(
      async () => {
        const { clockOffset } = await shown(place);
        return isRight(clockOffset) ? clockOffset : undefined;
      },
      { within: 30_000, complain: async () => `${place.device} reports ${(await shown(place)).clockOffset}` },
    );

  it.concurrent.each(clocks)(
    "%s enrols, rotates, tells how wrong it is, and loses no key over it",
    async (name, faketime, offset) => {
      const { place, token } = await aDevice(`clock ${name}`, faketime);
      let program = startAgentRun(place);
      await untilSettled(place, program, 1);
      const isRight = (told: number): boolean => Math.abs(told - offset()) < 600_000;
      expect(await offsetOf(place, isRight)).toSatisfy(isRight);
      await fleet.operations.rotations.request(administrator, { devices: [place.device] });
      await untilSettled(place, program, 2);
      await program.stop();
      // Without a network it knows the present only by its floor; nothing of it is given up over that.
      const config = join(place.data, "config.yaml");
      const connected = await readFile(config, "utf8");
      await writeFile(config, connected.replace(/port: \d+/, "port: 1"));
      program = startAgentRun(place);
      await untilSeen(() => askAgent(place), { within: 30_000, complain: program.stderr });
      await program.stop();
      const generations = (await token.list()).map(({ label }) => label);
      expect(generations).toContain(`fleetcert:${place.device}:identity:2`);
      await writeFile(config, connected);
      program = startAgentRun(place);
      expect((await untilSettled(place, program, 2)).slots[0]?.certificate?.generation).toBe(2);
      await program.stop();
      expect((await shown(place)).certificates[0]).toMatchObject({ generation: 2, state: "proven" });
    },
  );

  it.concurrent.each(clocks)(
    "%s renews by courier, and takes the time from the reply",
    async (name, faketime, offset) => {
      const { place, token } = await aDevice(`carried ${name}`, faketime);
      const program = startAgentRun(place);
      await untilSettled(place, program, 1);
      await program.stop();
      await fleet.operations.devices.set(administrator, place.device, { connectivity: "courier" });
      const told: number[] = [];
      for (const args of [["--renew"], [], []]) {
        const [request, reply] = [
          join(fleet.directory, `${place.device}.fcb`),
          join(fleet.directory, `${place.device}.back.fcb`),
        ];
        await command(place, "bundle", "export", "--out", request, ...args);
        const bundle = new Uint8Array(await readFile(request));
        await writeFile(reply, (await fleet.operations.courier.exchange(administrator, bundle)).reply);
        told.push((await shown(place)).clockOffset);
        await command(place, "bundle", "import", reply);
      }
      expect((await shown(place)).certificates[0]).toMatchObject({ generation: 2, state: "proven" });
      expect((await token.list()).map(({ label }) => label)).toContain(`fleetcert:${place.device}:identity:2`);
      // A clock behind the floor is seen to be wrong at once; one that is ahead only while a process has a token to hold against it.
      if (offset() < 0) expect(told.at(-1)).toSatisfy((one: number) => Math.abs(one - offset()) < 600_000);
    },
  );

  async function command(place: AgentPlace, ...args: string[]): Promise<void> {
    const program = startProgram("agent/src/main.ts", [...args, "--data", place.data], place.env);
    expect([await program.ended, program.stderr()]).toEqual([0, ""]);
  }
});
