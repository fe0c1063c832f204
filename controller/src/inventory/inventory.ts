import type { CourierPart, DesiredState, MaintenanceWindow } from "@fleetcert/proto";
import type { Duration } from "@fleetcert/shared";
import type { Profile } from "../policy/policy.ts";
import type { Broker, MessageHandlers, MessageSealer, SessionChange, Surroundings } from "../ports.ts";
import type { AttributeChanges, DeviceAttributes, DeviceRecord } from "../records.ts";
import type { WishRecord } from "../rotation-records.ts";
import type { Store, Transaction } from "../store-port.ts";
import { acceptEvent, acceptReport } from "./accept-report.ts";
import { carriedDesired, plannedRenewals, publishDesired } from "./desired-state.ts";
import { retireDevice, setAttributes } from "./device-state.ts";
import { followSession } from "./follow-session.ts";
import { classifyDevices, noteServing } from "./note-contact.ts";
import {
  type RequestedRotation,
  type RotationRequest,
  type RotationWish,
  requestRotation,
  slotProven,
  wishRotation,
  withdrawRotation,
} from "./request-rotation.ts";
import { suspendSuspect } from "./suspend-suspect.ts";

/** What the inventory works with. */
export interface InventoryParts {
  readonly store: Store;
  readonly surroundings: Surroundings;
  readonly sealer: MessageSealer;
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly broker: Pick<Broker, "dropSessions">;
  /** How often devices report. */
  readonly reportInterval: Duration;
  /** How long a window of a wanted renewal is when none is given. */
  readonly renewalWindow: Duration;
  /** After which time a device reports at the latest, and so hears of a window it missed. */
  readonly retryAfter: Duration;
  readonly siteMaintenance: ReadonlyMap<string, readonly MaintenanceWindow[]>;
  /** Devices the controller may suspend by itself within an hour. */
  readonly suspendByMachine: number;
}

/** The registry of devices: who they are, what they may, what they are asked to be. */
export interface Inventory {
  /** Throws `not-found`. */
  setAttributes(actor: string, device: string, attributes: AttributeChanges): Promise<DeviceRecord>;
  /** Asks devices to rotate a slot, all or none; suspended and retired ones are passed over. Throws `not-found`. */
  requestRotation(actor: string, request: RotationRequest): Promise<RequestedRotation>;
  /** The same in the caller's transaction, for devices that are known to be able. */
  wishRotation(tx: Transaction, wish: RotationWish): Promise<WishRecord[]>;
  /** Takes wishes of a rollout back; those fulfilled or replaced meanwhile stay. Resolves with the devices it did. */
  withdrawRotation(
    tx: Transaction,
    request: { readonly slot: string; readonly rollout: string; readonly devices: readonly string[] },
  ): Promise<string[]>;
  /** The slot has proven a generation: a wish for it is over, and the next window is told. */
  slotProven(
    tx: Transaction,
    proven: { readonly device: string; readonly slot: string; readonly generation: number },
  ): Promise<void>;
  /**
   * The controller's own suspension of a device that looks cloned. At most so many within an hour, or whoever can look like a
   * clone could block the fleet; resolves with whether it was suspended. Persons suspend by a plan; see revocation.
   */
  suspendSuspect(device: string, reason: string): Promise<boolean>;
  /** For good: on its next contact it erases its keys. In the transaction that revokes its certificates. */
  retire(tx: Transaction, act: { readonly actor: string; readonly device: DeviceRecord }): Promise<void>;
  /** Enqueues the device's desired state under a new version, in the caller's transaction. */
  publishDesired(tx: Transaction, device: DeviceRecord): Promise<DeviceRecord>;
  /** What each slot of a device is told of its renewal, and when the device may be touched. */
  plannedRenewals(tx: Transaction, device: DeviceRecord): Promise<Pick<DesiredState, "slots" | "maintenance">>;
  /** The desired state of a device that only a courier reaches; undefined when nothing was ever asked of it. */
  carriedDesired(device: string): Promise<CourierPart | undefined>;
  /** Presence as the broker tells it; a device that came gets its desired state again. */
  sessionChanged(change: SessionChange): Promise<void>;
  /** Computes, now and then, the connectivity class of devices whose class no person said. Called again and again. */
  followContacts(): Promise<void>;
  /** Devices with a live operational session; the set itself, which changes as they come and go. */
  connected(): ReadonlySet<string>;
  readonly handlers: MessageHandlers;
}

/** Opens the inventory over the store; presence begins empty. */
export function openInventory(parts: InventoryParts): Inventory {
  /** Number of live sessions: a takeover has two for a moment. */
  const sessions = new Map<string, number>();
  let classifiedAt = Number.NEGATIVE_INFINITY;
  const connected = new Set<string>();
  return {
    setAttributes: (actor, device, attributes) =>
      setAttributes(parts, { actor, device, attributes, isConnected: sessions.has(device) }),
    async followContacts() {
      await noteServing(parts);
      const now = parts.surroundings.clock.now();
      if (now - classifiedAt < classifyEvery) return;
      classifiedAt = now;
      await classifyDevices(parts, new Set(sessions.keys()));
    },
    requestRotation: (actor, request) => requestRotation(parts, actor, request),
    wishRotation: (tx, wish) => wishRotation(parts, tx, wish),
    withdrawRotation: (tx, request) => withdrawRotation(parts, tx, request),
    slotProven: (tx, proven) => slotProven(parts, tx, proven),
    suspendSuspect: (device, reason) => suspendSuspect(parts, { device, reason }),
    retire: (tx, { actor, device }) => retireDevice(parts, tx, { actor, device }),
    publishDesired: (tx, device) => publishDesired(parts, tx, device),
    plannedRenewals: (tx, device) => plannedRenewals(parts, tx, device),
    carriedDesired: (device) => carriedDesired(parts, device),
    async sessionChanged({ peer, connected: isConnected, isConcluded = false }) {
      if (peer.type !== "operational") return;
      const { device } = peer;
      const before = sessions.get(device) ?? 0;
      const count = before + (isConnected ? 1 : -1);
      if (count > 0) {
        sessions.set(device, count);
        connected.add(device);
      } else {
        sessions.delete(device);
        connected.delete(device);
      }
      if (isConcluded) return;
      await followSession(parts, device, { isConnected, isBack: isConnected && before === 0 });
    },
    connected: () => connected,
    handlers: {
      report: (received, reply) => acceptReport(parts, received, reply),
      event: (received, reply) => acceptEvent(parts, received, reply),
    },
  };
}

/** A device that came is looked at when it comes; this is for those that are away. */
const classifyEvery: Duration = 6 * 3_600_000;

/** Setting that names the claim by which a device may enrol anew. */
export const reenrolmentSetting = (device: string): string => `reenrolment/${device}`;

/** Attributes of a device nobody has described. */
export const unknownAttributes: DeviceAttributes = {
  site: "",
  owner: "",
  environment: "",
  criticality: "medium",
  tags: [],
  connectivity: "always",
  connectivityBy: "computed",
};
