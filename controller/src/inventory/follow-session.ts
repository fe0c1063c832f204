import { repeatDesired } from "./desired-state.ts";
import type { InventoryParts } from "./inventory.ts";
import { noteContact, reclassify } from "./note-contact.ts";

/** Notes the contact; a device that has come gets the state it knows or misses again, for brokers forget. */
export async function followSession(
  parts: InventoryParts,
  id: string,
  { isConnected, isBack }: { readonly isConnected: boolean; readonly isBack: boolean },
): Promise<void> {
  const now = parts.surroundings.clock.now();
  await parts.store.transaction(async (tx) => {
    const device = await tx.devices.find(id);
    if (device === undefined) return;
    const seen = { ...device, lastSeenAt: now };
    await tx.devices.put(seen);
    await noteContact(tx, { device: id, now, isBack });
    if (!isConnected) return;
    const told = await reclassify(parts, tx, { device: seen, isConnected });
    if (told === seen && seen.desiredVersion > 0) await repeatDesired(parts, tx, seen);
  });
}
