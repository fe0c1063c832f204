import { writeFile } from "node:fs/promises";
import type { DeviceView } from "@fleetcert/controller";
import { localActor } from "./actor.ts";
import { type Fleet, startFleet } from "./fleet.ts";
import { isProven, lookAtFleet } from "./look-at-fleet.ts";
import type { Stage } from "./stage.ts";
import { until } from "./until.ts";

/** Gives a claim, starts the fleet with it and waits until every device has proven its first certificate in use. */
export async function enrol(stage: Stage): Promise<{ fleet: Fleet; enrolled: ReadonlyMap<string, DeviceView> }> {
  const { controller, devices, panel, place } = stage;
  const { claimString } = await controller.operations.claims.create(localActor, {
    maxUses: devices.length,
    validFor: 3_600_000,
    attributes: { site: "demo", owner: "platform", environment: "demo", criticality: "low" },
  });
  await writeFile(place.claimFile, `${claimString}\n`, { mode: 0o600 });
  const fleet = await startFleet(stage);
  stage.atEnd(() => fleet.stop());
  const seen = await until(
    async () => {
      const found = await lookAtFleet(controller.operations, devices);
      panel.bar("enrol", countProven(found), devices.length);
      return found;
    },
    (found) => countProven(found) === devices.length,
    { timeoutMs: 30_000 + devices.length * 1000, everyMs: 200 },
  );
  return { fleet, enrolled: new Map([...seen].filter(([, device]) => isProven(device, 1))) };
}

function countProven(found: ReadonlyMap<string, DeviceView>): number {
  return [...found.values()].filter((device) => isProven(device, 1)).length;
}
