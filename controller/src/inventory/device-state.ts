import { FleetError } from "@fleetcert/shared";
import { type AuditEventName, appendAudit } from "../audit/append-audit.ts";
import type { DeviceAttributes, DeviceRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import { publishDesired } from "./desired-state.ts";
import type { InventoryParts } from "./inventory.ts";

/** Changes registry attributes; those not named stay. */
export async function setAttributes(
  parts: InventoryParts,
  request: { readonly actor: string; readonly device: string; readonly attributes: Partial<DeviceAttributes> },
): Promise<DeviceRecord> {
  return await changeDevice(parts, {
    ...request,
    action: "device.changed",
    details: Object.fromEntries(Object.entries(request.attributes).map(([name, value]) => [name, String(value)])),
    change: (device) => ({ ...device, attributes: { ...device.attributes, ...request.attributes } }),
  });
}

/** Suspends a device; suspending it again only updates the reason. Throws `device-retired`. */
export async function suspendDevice(
  parts: InventoryParts,
  request: { readonly actor: string; readonly device: string; readonly reason: string },
): Promise<DeviceRecord> {
  const suspended = await changeDevice(parts, {
    ...request,
    action: "device.suspended",
    details: { reason: request.reason },
    change(device) {
      requireNotRetired(device);
      return { ...device, state: "suspended", stateReason: request.reason };
    },
  });
  await parts.broker.dropSessions(request.device);
  return suspended;
}

/** Lets a suspended device come back; its revoked certificates stay revoked. */
export async function reinstateDevice(
  parts: InventoryParts,
  request: { readonly actor: string; readonly device: string },
): Promise<DeviceRecord> {
  return await changeDevice(parts, {
    ...request,
    action: "device.reinstated",
    details: {},
    change(device) {
      requireNotRetired(device);
      if (device.state !== "suspended") throw new FleetError("conflict", `device ${device.id} is not suspended`);
      return { ...device, state: "active", stateReason: "" };
    },
  });
}

/** Retires a device for good: on its next contact it erases its keys; the history stays. */
export async function retireDevice(
  parts: InventoryParts,
  request: { readonly actor: string; readonly device: string },
): Promise<DeviceRecord> {
  return await changeDevice(parts, {
    ...request,
    action: "device.retired",
    details: {},
    change: (device) => ({ ...device, state: "retired", stateReason: "retired" }),
  });
}

/** The device's row; throws `not-found`. */
export async function requireDevice(tx: Transaction, id: string): Promise<DeviceRecord> {
  const device = await tx.devices.find(id);
  if (device === undefined) throw new FleetError("not-found", `there is no device ${id}`);
  return device;
}

async function changeDevice(
  parts: InventoryParts,
  request: {
    readonly actor: string;
    readonly device: string;
    readonly action: AuditEventName;
    readonly details: Readonly<Record<string, string>>;
    readonly change: (device: DeviceRecord) => DeviceRecord;
  },
): Promise<DeviceRecord> {
  const { store, surroundings } = parts;
  return await store.transaction(async (tx) => {
    const before = await requireDevice(tx, request.device);
    const after = request.change(before);
    await appendAudit(tx, {
      at: surroundings.clock.now(),
      actor: request.actor,
      action: request.action,
      target: request.device,
      outcome: "success",
      details: request.details,
    });
    const isToldAlike =
      after.attributes.connectivity === before.attributes.connectivity &&
      after.attributes.site === before.attributes.site;
    if (after.state === before.state && after.stateReason === before.stateReason && isToldAlike) {
      await tx.devices.put(after);
      return after;
    }
    return await publishDesired(parts, tx, after);
  });
}

function requireNotRetired(device: DeviceRecord): void {
  if (device.state === "retired") throw new FleetError("device-retired", `device ${device.id} is retired`);
}
