import { localActor } from "./actor.ts";
import { allDevices } from "./look-at-fleet.ts";
import type { Stage } from "./stage.ts";

/** Devices of earlier runs are gone for good; they must not be waited for. */
export async function retireEarlierFleets({ controller, devices, panel }: Stage): Promise<void> {
  const ours = new Set(devices.map(({ id }) => id));
  const earlier = (await allDevices(controller.operations)).filter(
    ({ id, state }) => state !== "retired" && !ours.has(id),
  );
  for (const { id } of earlier) await controller.operations.devices.retire(localActor, id);
  if (earlier.length > 0) panel.step(`retired ${earlier.length} devices of earlier runs`);
}
