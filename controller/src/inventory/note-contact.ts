import type { Duration, Instant } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { ContactRecord } from "../contact-records.ts";
import type { DeviceRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import { classifyConnectivity, withContact } from "./connectivity-class.ts";
import { publishDesired } from "./desired-state.ts";
import type { InventoryParts } from "./inventory.ts";

/** Notes that a device is in contact over a session; one that comes back was away since the contact before. */
export async function noteContact(
  tx: Transaction,
  { device, now, isBack }: { readonly device: string; readonly now: Instant; readonly isBack: boolean },
): Promise<void> {
  const known = await tx.contacts.find(device);
  if (known === undefined) return await tx.contacts.put({ device, since: now, lastAt: now, gaps: [] });
  if (now - known.lastAt < worthNoting) return;
  const absent = isBack ? now - known.lastAt - (await ownAbsence(tx, known.lastAt, now)) : 0;
  await tx.contacts.put(withContact(known, { now, absent }));
}

/** The device with the class that follows from its contacts, unless a person said one; told and audited where it is another. */
export async function reclassify(
  parts: InventoryParts,
  tx: Transaction,
  { device, isConnected }: { readonly device: DeviceRecord; readonly isConnected: boolean },
): Promise<DeviceRecord> {
  const { attributes, id } = device;
  if (attributes.connectivityBy === "set" || device.state !== "active") return device;
  const now = parts.surroundings.clock.now();
  const contact = await tx.contacts.find(id);
  const connectivity = classifyConnectivity({
    now,
    contact: contact && (await asOf(tx, contact, { now, isConnected })),
    courierAt: (await tx.courierContacts.find(id))?.at,
    before: attributes.connectivity,
  });
  if (connectivity === attributes.connectivity) return device;
  await appendAudit(tx, {
    ...{ at: now, actor: "controller", action: "device.classified", target: id, outcome: "success" },
    details: { from: attributes.connectivity, to: connectivity },
  });
  return await publishDesired(parts, tx, { ...device, attributes: { ...attributes, connectivity } });
}

/** Looks at the class of every device, for those that are away say nothing themselves. Resolves with how many changed. */
export async function classifyDevices(parts: InventoryParts, connected: ReadonlySet<string>): Promise<number> {
  let changed = 0;
  for (let after = ""; ; ) {
    const page = await parts.store.transaction(async (tx) => {
      const devices = await tx.devices.list({ after, limit: batch });
      for (const device of devices) {
        const now = await reclassify(parts, tx, { device, isConnected: connected.has(device.id) });
        if (now !== device) changed += 1;
      }
      return devices;
    });
    const last = page.at(-1);
    if (last === undefined || page.length < batch) return changed;
    after = last.id;
  }
}

/** Notes that the controller is there; a time it was not is nobody's absence. Called with every round. */
export async function noteServing({ store, surroundings }: InventoryParts): Promise<void> {
  const now = surroundings.clock.now();
  await store.transaction(async (tx) => {
    const { aliveAt, outages } = await readServing(tx, now);
    if (now - aliveAt < worthNoting) return;
    const isOutage = now - aliveAt >= leastOutage;
    const kept = isOutage ? [...outages, { from: aliveAt, to: now }].slice(-keptOutages) : outages;
    await tx.settings.put(setting, JSON.stringify({ aliveAt: now, outages: kept }));
  });
}

/** What is known now: a device with a live session is in contact, and the controller's own absence is taken off an open gap. */
async function asOf(
  tx: Transaction,
  contact: ContactRecord,
  { now, isConnected }: { readonly now: Instant; readonly isConnected: boolean },
): Promise<ContactRecord> {
  if (isConnected) return { ...contact, lastAt: Math.max(contact.lastAt, now) };
  return { ...contact, lastAt: contact.lastAt + (await ownAbsence(tx, contact.lastAt, now)) };
}

interface Serving {
  readonly aliveAt: Instant;
  readonly outages: readonly { readonly from: Instant; readonly to: Instant }[];
}

async function readServing(tx: Transaction, now: Instant): Promise<Serving> {
  const kept = await tx.settings.find(setting);
  return kept === undefined ? { aliveAt: now - worthNoting, outages: [] } : (JSON.parse(kept) as Serving);
}

/** For how much of a time the controller itself was away. */
async function ownAbsence(tx: Transaction, from: Instant, to: Instant): Promise<Duration> {
  const { outages } = await readServing(tx, to);
  return outages.reduce((sum, one) => sum + Math.max(0, Math.min(to, one.to) - Math.max(from, one.from)), 0);
}

const setting = "contacts/serving";
/** So often is a contact written, at most: nothing shorter counts. */
const worthNoting: Duration = 10 * 60_000;
const leastOutage: Duration = 30 * 60_000;
const keptOutages = 16;
const batch = 500;
