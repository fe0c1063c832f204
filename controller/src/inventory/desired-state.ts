import {
  type CourierPart,
  type DesiredSlot,
  type DesiredState,
  formatTopic,
  type MaintenanceWindow,
} from "@fleetcert/proto";
import { sha256Hex } from "@fleetcert/shared";
import type { Profile } from "../policy/policy.ts";
import type { CertificateRecord, DeviceRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import type { InventoryParts } from "./inventory.ts";
import { assignWindow } from "./renewal-window.ts";
import { withdrawReenrolment } from "./withdraw-reenrolment.ts";

/** Stores the device under a new version of its desired state and enqueues that, retained. */
export async function publishDesired(
  parts: InventoryParts,
  tx: Transaction,
  device: DeviceRecord,
): Promise<DeviceRecord> {
  if (device.state !== "active") await withdrawReenrolment(tx, device.id, parts.surroundings.clock.now());
  return await publish(parts, tx, { device, content: await contentOf(parts, tx, device) });
}

/** The state a device is asked to be in, for a courier; undefined when nothing was ever asked of it. */
export async function carriedDesired(parts: InventoryParts, id: string): Promise<CourierPart | undefined> {
  return await parts.store.transaction(async (tx) => {
    const device = await tx.devices.find(id);
    if (device === undefined || device.desiredVersion === 0) return undefined;
    const content = await contentOf(parts, tx, device);
    const isTold = (await tx.desiredDigests.find(id))?.sha256 === digestOf(content);
    const told = isTold ? device : await publish(parts, tx, { device, content });
    return { topic: { type: "desired", device: id }, payload: await seal(parts, { device: told, content }) };
  });
}

/** The renewal that each slot of a device is told, and when the device may be touched. */
export async function plannedRenewals(
  parts: InventoryParts,
  tx: Transaction,
  device: DeviceRecord,
): Promise<Pick<DesiredState, "slots" | "maintenance">> {
  return await contentOf(parts, tx, device);
}

/** Enqueues the desired state again; under a new version only when it says something else than before. */
export async function repeatDesired(parts: InventoryParts, tx: Transaction, device: DeviceRecord): Promise<void> {
  const content = await contentOf(parts, tx, device);
  const told = await tx.desiredDigests.find(device.id);
  if (told?.sha256 === digestOf(content)) await enqueue(parts, tx, { device, content });
  else await publish(parts, tx, { device, content });
}

/** A desired state without what orders it. */
type Content = Omit<DesiredState, "era" | "version">;

interface Told {
  readonly device: DeviceRecord;
  readonly content: Content;
}

async function publish(parts: InventoryParts, tx: Transaction, { device, content }: Told): Promise<DeviceRecord> {
  const next = { ...device, desiredVersion: device.desiredVersion + 1 };
  await tx.devices.put(next);
  await tx.desiredDigests.put({ device: device.id, sha256: digestOf(content) });
  await enqueue(parts, tx, { device: next, content });
  return next;
}

async function enqueue(parts: InventoryParts, tx: Transaction, told: Told): Promise<void> {
  const topic = formatTopic({ type: "desired", device: told.device.id });
  await tx.outbox.enqueue({ topic, payload: await seal(parts, told), retain: true });
}

async function seal({ sealer }: InventoryParts, { device, content }: Told): Promise<Uint8Array> {
  const { envelope } = await sealer.seal({
    recipient: device.id,
    validFor: desiredValidity,
    body: { type: "desired", era: sealer.era, version: device.desiredVersion, ...content },
  });
  return envelope;
}

async function contentOf(parts: InventoryParts, tx: Transaction, device: DeviceRecord): Promise<Content> {
  const certificates = await tx.certificates.listOf(device.id, "identity");
  const profileName = certificates[0]?.profile ?? "device";
  const profile = parts.profiles.get(profileName);
  const slots = [await slotOf(parts, tx, { device, slot: "identity", profile, profileName, newest: certificates[0] })];
  for (const [slot, name] of Object.entries(profile?.slots ?? {})) {
    const [newest] = await tx.certificates.listOf(device.id, slot);
    slots.push(await slotOf(parts, tx, { device, slot, profile: parts.profiles.get(name), profileName: name, newest }));
  }
  return {
    slots,
    reportInterval: parts.reportInterval,
    retire: device.state === "retired",
    suspended: device.state === "suspended" ? device.stateReason || "suspended" : "",
    maintenance: maintenanceOf(parts, device, profile),
  };
}

/** The window somebody asked for, else the one that keeps the fleet's load flat. */
async function slotOf(
  parts: InventoryParts,
  tx: Transaction,
  facts: {
    readonly device: DeviceRecord;
    readonly slot: string;
    readonly profile: Profile | undefined;
    readonly profileName: string;
    readonly newest: CertificateRecord | undefined;
  },
): Promise<DesiredSlot> {
  const { device, slot, profile, profileName, newest } = facts;
  const said = {
    slot,
    profile: profileName,
    keyAlgorithm: profile?.keyAlgorithms[0] ?? "P-256",
    retryAfter: parts.retryAfter,
    renewBefore: profile?.renewBefore ?? 0,
  } as const;
  const wish = await tx.wishes.find(device.id, slot);
  if (wish !== undefined) {
    const { generation: renewGeneration, windowStart, windowEnd, explanationUrl } = wish;
    const mode = wish.isUrgent ? "urgent" : "automatic";
    return { ...said, renewGeneration, windowStart, windowEnd, explanationUrl, earliest: 0, mode };
  }
  const rest = { explanationUrl: "", mode: profile?.renewalDisabled === true ? "disabled" : "automatic" } as const;
  if (newest?.state !== "proven" || profile === undefined) {
    return { ...said, ...rest, renewGeneration: 0, windowStart: 0, windowEnd: 0, earliest: 0 };
  }
  const { start, end } = assignWindow({
    ...{ device: device.id, slot, connectivity: device.attributes.connectivity },
    ...{ issuedAt: newest.issuedAt, notAfter: newest.notAfter, validity: profile.validity, renewAt: profile.renewAt },
  });
  const earliest = profile.earliestRenewal === 0 ? 0 : newest.issuedAt + profile.earliestRenewal;
  return { ...said, ...rest, renewGeneration: newest.generation + 1, windowStart: start, windowEnd: end, earliest };
}

/** What is said of the device's site counts before what is said of the profile. */
function maintenanceOf(
  { siteMaintenance }: InventoryParts,
  { attributes }: DeviceRecord,
  profile: Profile | undefined,
): readonly MaintenanceWindow[] {
  return siteMaintenance.get(attributes.site) ?? profile?.maintenance ?? [];
}

const digestOf = (content: Content): string => sha256Hex(new TextEncoder().encode(JSON.stringify(content)));

/** A retained wish is good until the next one; 400 days as the trust bundle. */
const desiredValidity = 400 * 86_400_000;
