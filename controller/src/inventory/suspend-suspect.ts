import type { Instant } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { Transaction } from "../store-port.ts";
import { publishDesired } from "./desired-state.ts";
import { requireDevice } from "./device-state.ts";
import type { InventoryParts } from "./inventory.ts";

/** Suspends a device that looks cloned, unless too many were suspended so within the hour; that is told to a person instead. */
export async function suspendSuspect(
  parts: InventoryParts,
  { device: id, reason }: { readonly device: string; readonly reason: string },
): Promise<boolean> {
  const { store, surroundings, broker, suspendByMachine } = parts;
  const now = surroundings.clock.now();
  const isSuspended = await store.transaction(async (tx) => {
    const device = await requireDevice(tx, id);
    if (device.state !== "active") return true;
    const event = { at: now, actor: "controller", target: id, details: { reason } } as const;
    const recent = await recentSuspensions(tx, now);
    if (recent.length >= suspendByMachine) {
      await appendAudit(tx, { ...event, action: "suspension.withheld", outcome: "failure" });
      return false;
    }
    await tx.settings.put(setting, JSON.stringify([...recent, now]));
    await publishDesired(parts, tx, { ...device, state: "suspended", stateReason: reason });
    await appendAudit(tx, { ...event, action: "device.suspended", outcome: "success" });
    return true;
  });
  if (isSuspended) await broker.dropSessions(id);
  else surroundings.notices.raise({ name: "suspension.withheld", device: id, details: { reason } });
  return isSuspended;
}

async function recentSuspensions(tx: Transaction, now: Instant): Promise<Instant[]> {
  const kept = JSON.parse((await tx.settings.find(setting)) ?? "[]") as Instant[];
  return kept.filter((instant) => instant > now - hour);
}

const setting = "suspended-by-machine";
const hour = 3_600_000;
