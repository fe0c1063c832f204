import type { Body, SecurityEvent, StatusReport } from "@fleetcert/proto";
import type { Instant } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { DeviceMessage } from "../ports.ts";
import type { Transaction } from "../store-port.ts";
import { repeatDesired } from "./desired-state.ts";
import type { InventoryParts } from "./inventory.ts";
import { noteContact } from "./note-contact.ts";

type Reply = (tx: Transaction, body: Body) => Promise<void>;

/** Keeps the last status report of a device and what the registry shows of it. */
export async function acceptReport(parts: InventoryParts, received: DeviceMessage, reply: Reply): Promise<void> {
  const report = received.message.body as StatusReport;
  const now = parts.surroundings.clock.now();
  await parts.store.transaction(async (tx) => {
    const device = await tx.devices.find(received.device);
    if (received.peer.type === "operational") await noteContact(tx, { device: received.device, now, isBack: false });
    if (device !== undefined) {
      const known = { ...device, agentVersion: report.agentVersion, clockOffset: report.clockOffset };
      await tx.devices.put(known);
      // Whatever became of the retained topic: a device that says it has an older state is told again.
      if (report.desiredVersion < device.desiredVersion) await repeatDesired(parts, tx, known);
    }
    await tx.reports.put({
      device: received.device,
      receivedAt: now,
      report: JSON.stringify(report, (_, value) => (value instanceof Uint8Array ? toHex(value) : value)),
    });
    await reply(tx, { type: "received" });
  });
}

/** Writes a device's security event into the audit chain. */
export async function acceptEvent(parts: InventoryParts, received: DeviceMessage, reply: Reply): Promise<void> {
  const event = received.message.body as SecurityEvent;
  // A device's words never stand where ours do: it chooses neither a notice's name nor a field of the log.
  const details = { event: event.name, said: JSON.stringify(event.details) };
  parts.surroundings.notices.raise({ name: "device.event", device: received.device, details });
  await parts.store.transaction(async (tx) => {
    await appendAudit(tx, {
      at: parts.surroundings.clock.now(),
      actor: `device:${received.device}`,
      action: "device.event",
      target: received.device,
      outcome: "success",
      details: { ...event.details, name: event.name, deviceTime: deviceTime(event.at) },
    });
    await reply(tx, { type: "received" });
  });
}

/** A device's clock may show what no calendar has. */
const deviceTime = (at: Instant): string => (at <= lastInstant ? new Date(at).toISOString() : String(at));
/** ECMA-262 §21.4.1.1. */
const lastInstant: Instant = 8.64e15;
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
