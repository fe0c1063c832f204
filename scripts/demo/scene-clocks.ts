import { localActor } from "./actor.ts";
import { prepareDevice } from "./lone-device.ts";
import type { Scene } from "./scene.ts";
import { wallClock } from "./skewed-clock.ts";
import type { Stage } from "./stage.ts";
import { until } from "./until.ts";

/** Devices whose clocks show 1970, or are 400 days off, enrol, rotate, and tell how wrong their clocks are. */
export const wrongClocks: Scene = async (stage, checks) => {
  const { panel } = stage;
  if (wallClock("+0d") === undefined)
    panel.warn("no clock can be wrong: libfaketime is missing; apt-get install faketime");
  const seen = await Promise.all(clocks.map(async (clock) => ({ ...clock, ...(await rotateUnder(stage, clock)) })));
  for (const { name, actual, offset } of seen) {
    panel.step(`${name}: rotated; the clock is ${Math.round(offset / day)} days off by its own account`);
    checks.equal(
      `clock-${name}`,
      { generation: 2, proven: true, offsetIsRight: true },
      actual,
      "fleetcert device show",
    );
  }
  return { clocks: Object.fromEntries(seen.map(({ name, offset }) => [name, { reportedOffsetMs: offset }])) };
};

interface WrongClock {
  readonly name: string;
  /** As libfaketime takes it. */
  readonly faketime: string;
  /** How far it is off now. */
  readonly offset: () => number;
}

async function rotateUnder(stage: Stage, { name, faketime, offset }: WrongClock) {
  const device = await prepareDevice(stage, `clock-${name}`, { env: wallClock(faketime) ?? {} });
  const agent = device.start();
  await device.untilProven(1);
  await stage.controller.operations.rotations.request(localActor, { devices: [device.id] });
  await device.untilProven(2);
  const isRight = (told: number): boolean => Math.abs(told - offset()) < 600_000;
  const shown = await until(device.shown, (one) => isRight(one?.clockOffset ?? 0), { timeoutMs: 20_000 });
  await agent.stop();
  const { certificate, clockOffset = 0 } = shown ?? {};
  const actual = {
    generation: certificate?.generation,
    proven: certificate?.state === "proven",
    offsetIsRight: isRight(clockOffset),
  };
  return { actual, offset: clockOffset };
}

const day = 86_400_000;
const clocks: readonly WrongClock[] = [
  { name: "1970", faketime: "@1970-01-01 00:01:00", offset: () => 60_000 - Date.now() },
  { name: "minus-400d", faketime: "-400d", offset: () => -400 * day },
  { name: "plus-400d", faketime: "+400d", offset: () => 400 * day },
];
