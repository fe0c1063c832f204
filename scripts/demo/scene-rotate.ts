import type { DeviceView } from "@fleetcert/controller";
import { localActor } from "./actor.ts";
import type { Fleet } from "./fleet.ts";
import { isProven, lookAtFleet } from "./look-at-fleet.ts";
import type { Stage } from "./stage.ts";
import { until } from "./until.ts";

/** What the rotation came to. */
export interface RotationOutcome {
  /** Ids of devices whose second generation is proven in use. */
  readonly rotated: ReadonlySet<string>;
  /** State of the cut-off device's second certificate while its network was gone; undefined without the scene. */
  readonly whileCut: { readonly oldProven: boolean; readonly newState: string } | undefined;
}

/**
 * Asks every device for a new key and certificate. The network of one goes away when it opens its proving session, after the
 * new certificate was issued, and comes back once the others are through.
 */
export async function rotate(stage: Stage, fleet: Fleet): Promise<RotationOutcome> {
  const { controller, devices, panel } = stage;
  const { operations } = controller;
  const cutOff = devices.find(({ role }) => role === "cut-off");
  const isCut = fleet.network?.cutAtNextConnection();
  await operations.rotations.request(localActor, { devices: devices.map(({ id }) => id) });
  const others = devices.filter((device) => device !== cutOff);
  await untilProven(stage, others, { timeoutMs: 40_000 + devices.length * 1000 });
  const whileCut = cutOff === undefined ? undefined : await lookAtCutOff(stage, cutOff.id, isCut);
  fleet.network?.mend();
  const last = await untilProven(stage, devices, { timeoutMs: 40_000 });
  panel.bar("rotate", last.size, devices.length);
  return { rotated: last, whileCut };
}

async function untilProven(
  { controller, devices, panel }: Stage,
  wanted: Stage["devices"],
  { timeoutMs }: { readonly timeoutMs: number },
): Promise<Set<string>> {
  const proven = await until(
    async () => {
      const found = await lookAtFleet(controller.operations, devices);
      const ids = new Set([...found.values()].filter((device) => isProven(device, 2)).map(({ id }) => id));
      panel.bar("rotate", ids.size, devices.length, wanted.length < devices.length ? "one is cut off" : "");
      return ids;
    },
    (ids) => wanted.every(({ id }) => ids.has(id)),
    { timeoutMs, everyMs: 200 },
  );
  return proven;
}

async function lookAtCutOff({ controller }: Stage, id: string, isCut: Promise<void> | undefined) {
  await isCut;
  const { certificates } = await controller.operations.devices.show(localActor, id);
  const generation = (number: number): DeviceView["certificate"] =>
    certificates.find((one) => one.generation === number);
  return { oldProven: generation(1)?.state === "proven", newState: generation(2)?.state ?? "none" };
}
