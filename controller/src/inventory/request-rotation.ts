import { FleetError, type Instant } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import { provenGeneration } from "../policy/policy.ts";
import type { DeviceRecord } from "../records.ts";
import type { WishRecord } from "../rotation-records.ts";
import type { Transaction } from "../store-port.ts";
import { publishDesired } from "./desired-state.ts";
import { requireDevice } from "./device-state.ts";
import type { InventoryParts } from "./inventory.ts";
import { spreadOver, type Window } from "./renewal-window.ts";

/** A rotation as a person asks for it. */
export interface RotationRequest {
  readonly devices: readonly string[];
  /** `identity` when none is named. */
  readonly slot?: string;
  /** Spread over it, those seen rarely first; from now on when none is given. */
  readonly window?: Window;
  /** Maintenance windows do not hold it up. */
  readonly isUrgent?: boolean;
  readonly explanationUrl?: string;
  /** Judges all of it and asks nobody. */
  readonly isDryRun?: boolean;
}

/** What became of it. */
export interface RequestedRotation {
  /** Devices that are asked; suspended and retired ones are not. */
  readonly requested: number;
  /** When the last of them begins, if it is in contact and may be touched. */
  readonly until: Instant;
}

/** A rotation of devices that are known to be able. */
export interface RotationWish {
  readonly actor: string;
  readonly devices: readonly DeviceRecord[];
  readonly slot: string;
  readonly window: Window;
  /** Each device gets its part of the window, those seen rarely first; otherwise all get the whole. */
  readonly isSpread: boolean;
  readonly isUrgent: boolean;
  readonly explanationUrl: string;
  /** Empty for none. */
  readonly rollout: string;
}

/** Asks each device for the generation after its proven one. All are known or nothing is asked. */
export async function requestRotation(
  parts: InventoryParts,
  actor: string,
  request: RotationRequest,
): Promise<RequestedRotation> {
  const { store, surroundings } = parts;
  const now = surroundings.clock.now();
  const { slot = "identity", isUrgent = false, explanationUrl = "", isDryRun = false } = request;
  const window = request.window ?? { start: now, end: now + parts.renewalWindow };
  if (!(window.start < window.end)) throw new FleetError("request-invalid", "the window ends before it begins");
  return await store.transaction(async (tx) => {
    const known: DeviceRecord[] = [];
    for (const id of new Set(request.devices)) known.push(await requireDevice(tx, id));
    const devices = known.filter(({ state }) => state === "active");
    const isSpread = request.window !== undefined;
    const wish = { actor, devices, slot, window, isSpread, isUrgent, explanationUrl, rollout: "" };
    if (isDryRun) for (const device of devices) await nextGeneration(tx, device, slot);
    else await wishRotation(parts, tx, wish);
    return { requested: devices.length, until: window.end };
  });
}

/** Asks devices in the caller's transaction. Throws `not-found` for a slot one has no certificate for. */
export async function wishRotation(parts: InventoryParts, tx: Transaction, wish: RotationWish): Promise<WishRecord[]> {
  const windows = wish.isSpread ? spreadOver(wish.devices.map(reach), wish.window) : undefined;
  const records: WishRecord[] = [];
  for (const device of wish.devices) {
    records.push(await wishOne(parts, tx, { wish, device, window: windows?.get(device.id) ?? wish.window }));
  }
  return records;
}

async function wishOne(
  parts: InventoryParts,
  tx: Transaction,
  { wish, device, window }: { readonly wish: RotationWish; readonly device: DeviceRecord; readonly window: Window },
): Promise<WishRecord> {
  const { actor, slot, rollout, isUrgent, explanationUrl } = wish;
  const generation = await nextGeneration(tx, device, slot);
  const record: WishRecord = {
    ...{ device: device.id, slot, rollout, isUrgent, explanationUrl, generation },
    ...{ windowStart: window.start, windowEnd: window.end },
  };
  await tx.wishes.put(record);
  await publishDesired(parts, tx, device);
  await appendAudit(tx, {
    at: parts.surroundings.clock.now(),
    actor,
    action: "renewal.requested",
    target: device.id,
    outcome: "success",
    details: {
      slot,
      generation: String(record.generation),
      until: new Date(window.end).toISOString(),
      ...(rollout !== "" && { rollout }),
      ...(isUrgent && { urgent: "yes" }),
    },
  });
  return record;
}

/** The generation after the proven one. Throws `not-found` for a slot without a certificate. */
async function nextGeneration(tx: Transaction, { id }: DeviceRecord, slot: string): Promise<number> {
  const certificates = await tx.certificates.listOf(id, slot);
  if (certificates.length > 0 || slot === "identity") return provenGeneration(certificates) + 1;
  const slots = [...new Set((await tx.certificates.listOf(id)).map((one) => one.slot))];
  throw new FleetError("not-found", `device ${id} has no certificate of slot ${slot}`, {
    hint: `it has some of ${slots.join(", ")}; fleetcert device show ${id}`,
  });
}

/** Takes wishes of a rollout back. */
export async function withdrawRotation(
  parts: InventoryParts,
  tx: Transaction,
  { slot, rollout, devices }: { readonly slot: string; readonly rollout: string; readonly devices: readonly string[] },
): Promise<string[]> {
  const withdrawn: string[] = [];
  for (const id of devices) {
    const wish = await tx.wishes.find(id, slot);
    const device = await tx.devices.find(id);
    if (wish?.rollout !== rollout || device === undefined) continue;
    await tx.wishes.remove(id, slot);
    await publishDesired(parts, tx, device);
    withdrawn.push(id);
  }
  return withdrawn;
}

/** Ends a wish that is fulfilled and tells the device its next window. */
export async function slotProven(
  parts: InventoryParts,
  tx: Transaction,
  { device: id, slot, generation }: { readonly device: string; readonly slot: string; readonly generation: number },
): Promise<void> {
  const wish = await tx.wishes.find(id, slot);
  if (wish !== undefined && wish.generation <= generation) await tx.wishes.remove(id, slot);
  const device = await tx.devices.find(id);
  if (device !== undefined) await publishDesired(parts, tx, device);
}

const reach = ({ id, attributes }: DeviceRecord) => ({ id, connectivity: attributes.connectivity });
