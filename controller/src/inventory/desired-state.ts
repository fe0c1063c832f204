import { type CourierPart, formatTopic } from "@fleetcert/proto";
import type { Instant } from "@fleetcert/shared";
import type { Profile } from "../policy/policy.ts";
import type { CertificateRecord, DeviceRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import type { InventoryParts } from "./inventory.ts";

/** Stores the device under a new version of its desired state and enqueues that, retained. */
export async function publishDesired(
  parts: InventoryParts,
  tx: Transaction,
  device: DeviceRecord,
): Promise<DeviceRecord> {
  const next = { ...device, desiredVersion: device.desiredVersion + 1 };
  await tx.devices.put(next);
  await enqueueDesired(parts, tx, next);
  return next;
}

/** Notes the contact; a device that has come gets the state it knows or misses again, for brokers forget. */
export async function announceDesired(
  parts: InventoryParts,
  id: string,
  { isConnected }: { readonly isConnected: boolean },
): Promise<void> {
  await parts.store.transaction(async (tx) => {
    const device = await tx.devices.find(id);
    if (device === undefined) return;
    await tx.devices.put({ ...device, lastSeenAt: parts.surroundings.clock.now() });
    if (isConnected && device.desiredVersion > 0) await enqueueDesired(parts, tx, device);
  });
}

/** The state a device is asked to be in, for a courier; undefined when nothing was ever asked of it. */
export async function carriedDesired(parts: InventoryParts, id: string): Promise<CourierPart | undefined> {
  return await parts.store.transaction(async (tx) => {
    const device = await tx.devices.find(id);
    if (device === undefined || device.desiredVersion === 0) return undefined;
    return { topic: { type: "desired", device: id }, payload: await sealDesired(parts, tx, device) };
  });
}

async function enqueueDesired(parts: InventoryParts, tx: Transaction, device: DeviceRecord): Promise<void> {
  const topic = formatTopic({ type: "desired", device: device.id });
  await tx.outbox.enqueue({ topic, payload: await sealDesired(parts, tx, device), retain: true });
}

async function sealDesired(parts: InventoryParts, tx: Transaction, device: DeviceRecord): Promise<Uint8Array> {
  const certificates = await tx.certificates.listOf(device.id, "identity");
  const profileName = certificates[0]?.profile ?? "device";
  const { envelope } = await parts.sealer.seal({
    recipient: device.id,
    validFor: desiredValidity,
    body: {
      type: "desired",
      era: parts.sealer.era,
      version: device.desiredVersion,
      slots: [
        {
          slot: "identity",
          profile: profileName,
          keyAlgorithm: parts.profiles.get(profileName)?.keyAlgorithms[0] ?? "P-256",
          ...windowOf(device, certificates[0], parts.profiles.get(profileName)),
          explanationUrl: "",
        },
      ],
      reportInterval: parts.reportInterval,
      retire: device.state === "retired",
      suspended: device.state === "suspended" ? device.stateReason || "suspended" : "",
    },
  });
  return envelope;
}

/** The window a person or policy asked for, else the profile's own where it differs from what devices plan by themselves. */
function windowOf(device: DeviceRecord, newest: CertificateRecord | undefined, profile: Profile | undefined) {
  if (device.wantedGeneration > 0 || newest?.state !== "proven" || profile === undefined || profile.renewAt === 2 / 3) {
    const { wantedGeneration: renewGeneration, windowStart, windowEnd } = device;
    return { renewGeneration, windowStart, windowEnd };
  }
  const { notBefore, notAfter, generation } = newest;
  const at = (share: number): Instant => Math.floor(notBefore + (notAfter - notBefore) * share);
  return {
    renewGeneration: generation + 1,
    windowStart: at(profile.renewAt),
    windowEnd: at(profile.renewAt + 1 / 12),
  };
}

/** A retained wish is good until the next one; 400 days as the trust bundle. */
const desiredValidity = 400 * 86_400_000;
