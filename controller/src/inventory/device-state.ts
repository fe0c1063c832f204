import { FleetError } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { AttributeChanges, DeviceAttributes, DeviceRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import { publishDesired } from "./desired-state.ts";
import type { InventoryParts } from "./inventory.ts";
import { reclassify } from "./note-contact.ts";

/** Changes registry attributes; those not named stay. */
export async function setAttributes(
  parts: InventoryParts,
  request: {
    readonly actor: string;
    readonly device: string;
    readonly attributes: AttributeChanges;
    readonly isConnected: boolean;
  },
): Promise<DeviceRecord> {
  const { store, surroundings } = parts;
  const { actor, device: id, attributes, isConnected } = request;
  return await store.transaction(async (tx) => {
    const device = await requireDevice(tx, id);
    const after = { ...device, attributes: changed(device.attributes, attributes) };
    await appendAudit(tx, {
      ...{ at: surroundings.clock.now(), actor, action: "device.changed", target: id, outcome: "success" },
      details: Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, String(value)])),
    });
    const isToldAlike =
      after.attributes.connectivity === device.attributes.connectivity &&
      after.attributes.site === device.attributes.site;
    if (isToldAlike) await tx.devices.put(after);
    const told = isToldAlike ? after : await publishDesired(parts, tx, after);
    return await reclassify(parts, tx, { device: told, isConnected });
  });
}

function changed(before: DeviceAttributes, { connectivity, ...rest }: AttributeChanges): DeviceAttributes {
  if (connectivity === undefined) return { ...before, ...rest };
  if (connectivity === "computed") return { ...before, ...rest, connectivityBy: "computed" };
  return { ...before, ...rest, connectivity, connectivityBy: "set" };
}

/** Retires a device for good: on its next contact it erases its keys; the history stays. */
export async function retireDevice(
  parts: InventoryParts,
  tx: Transaction,
  { actor, device }: { readonly actor: string; readonly device: DeviceRecord },
): Promise<void> {
  await appendAudit(tx, {
    ...{ at: parts.surroundings.clock.now(), actor, action: "device.retired", target: device.id, outcome: "success" },
  });
  await publishDesired(parts, tx, { ...device, state: "retired", stateReason: "retired" });
}

/** The device's row; throws `not-found`. */
export async function requireDevice(tx: Transaction, id: string): Promise<DeviceRecord> {
  const device = await tx.devices.find(id);
  if (device === undefined)
    throw new FleetError("not-found", `there is no device ${id}`, { hint: "fleetcert device list" });
  return device;
}
