import { setTimeout as sleep } from "node:timers/promises";
import { fleetingProfile } from "./controller-process.ts";
import { prepareDevice } from "./lone-device.ts";
import type { Scene } from "./scene.ts";

/** A device is away until its certificate has ended, and renews it when it comes back, by proving its old key. */
export const comeBackExpired: Scene = async (stage, checks) => {
  const { panel } = stage;
  const device = await prepareDevice(stage, "away", { profile: fleetingProfile.name });
  const first = device.start();
  const enrolled = await device.untilProven(1);
  await first.stop();
  const notAfter = enrolled?.certificate?.notAfter ?? 0;
  const generation = enrolled?.certificate?.generation ?? 0;
  await sleep(Math.max(0, notAfter + 2_000 - Date.now()));
  const cameBackAt = Date.now();
  const second = device.start();
  const renewed = await device.untilProven(generation + 1);
  await second.stop();
  const { certificate } = renewed ?? {};
  const tookMs = (certificate?.provenAt ?? 0) - cameBackAt;
  panel.step(`away until its certificate had ended, then renewed and proven in ${tookMs} ms`);
  const actual = {
    hadEnded: cameBackAt > notAfter,
    isNew: (certificate?.generation ?? 0) > generation,
    proven: certificate?.state === "proven",
  };
  checks.equal("renewed-after-expiry", { hadEnded: true, isNew: true, proven: true }, actual, "fleetcert device show");
  return { renewedAfterExpiry: { tookMs } };
};
