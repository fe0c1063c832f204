import type { DeviceView, Operations } from "@fleetcert/controller";
import { localActor } from "./actor.ts";
import type { DemoDevice } from "./devices.ts";

/** The devices of this run as the controller sees them, by id; those it does not know yet are absent. */
export async function lookAtFleet(
  operations: Operations,
  devices: readonly DemoDevice[],
): Promise<Map<string, DeviceView>> {
  const wanted = new Set(devices.map(({ id }) => id));
  const found = (await allDevices(operations)).filter(({ id }) => wanted.has(id));
  return new Map(found.map((device) => [device.id, device]));
}

/** Every device of the controller, those of earlier runs too. */
export async function allDevices(operations: Operations): Promise<DeviceView[]> {
  const all: DeviceView[] = [];
  let after: string | undefined;
  do {
    const page = await operations.devices.list(localActor, { limit: 1000, ...(after !== undefined && { after }) });
    all.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return all;
}

/** Whether a device's current certificate of at least this generation is proven in use. */
export function isProven(device: DeviceView | undefined, generation: number): boolean {
  const certificate = device?.certificate;
  return certificate !== undefined && certificate.generation >= generation && certificate.state === "proven";
}
