import { type Claim, FleetError, isDeviceId } from "@fleetcert/shared";
import type { StateStore } from "../ports.ts";
import { slotKey } from "../renewal/runner.ts";
import { emptySlot, type SlotState } from "../renewal/slot-state.ts";
import { decodeSlotState } from "../renewal/slot-state-codec.ts";
import { deleteTwin, putTwin, readTwin } from "../twin/twin-record.ts";
import type { AgentIdentity } from "./agent-parts.ts";
import { identitySlot } from "./credential-actions.ts";

/** What a configuration says of the identity; the claim is asked only while the identity is not bound. */
export interface IdentityWishes {
  /** Empty takes the host's name. */
  readonly device: string;
  readonly hostName: string;
  /** Empty takes the claim's. */
  readonly rootFingerprint: string;
  readonly claim: () => Promise<Claim>;
}

/** The identity an agent goes by, and the device it tried to enrol as before, when that was another. */
export interface SettledIdentity {
  readonly identity: AgentIdentity;
  readonly replacedDevice: string | undefined;
}

/** The identity settled by an earlier enrolment; undefined before. */
export async function readIdentity(store: StateStore): Promise<AgentIdentity | undefined> {
  const bytes = await readTwin(store, identityKey);
  if (bytes === undefined) return undefined;
  const { fleet, device, rootSha256 } = JSON.parse(new TextDecoder().decode(bytes)) as AgentIdentity;
  return { fleet, device, rootSha256 };
}

/**
 * The stored identity once a certificate was issued for it; before that the one the claim and the configuration say, which is
 * stored, so that a wrong claim or name can be corrected. Throws `config-invalid` when they contradict each other, so that a changed
 * file never turns an enrolled device into another one.
 */
export async function settleIdentity(store: StateStore, wishes: IdentityWishes): Promise<SettledIdentity> {
  const stored = await readIdentity(store);
  if (stored !== undefined && isBound(await readSlot(store))) {
    requireSame("device", wishes.device, stored.device);
    requireSame("rootFingerprint", wishes.rootFingerprint, stored.rootSha256);
    return { identity: stored, replacedDevice: undefined };
  }
  const { fleet, rootSha256, reenrolment } = await wishes.claim();
  requireSame("rootFingerprint", wishes.rootFingerprint, rootSha256);
  if (reenrolment !== undefined) requireSame("device", wishes.device, reenrolment.device);
  const identity = { fleet, device: reenrolment?.device ?? deviceOf(wishes), rootSha256 };
  const isOther = stored !== undefined && stored.device !== identity.device;
  await store.write([
    ...putTwin(identityKey, new TextEncoder().encode(JSON.stringify(identity))),
    ...(isOther ? deleteTwin(slotKey(identitySlot)) : []),
  ]);
  return { identity, replacedDevice: isOther ? stored.device : undefined };
}

/** The state of the identity slot on the disk. Throws `store-corrupt`. */
export async function readSlot(store: StateStore): Promise<SlotState> {
  const bytes = await readTwin(store, slotKey(identitySlot));
  return bytes === undefined ? emptySlot : decodeSlotState(bytes);
}

function isBound({ current, unproven, journal }: SlotState): boolean {
  return current !== undefined || unproven !== undefined || "next" in journal || journal.at === "retired";
}

function deviceOf({ device, hostName }: IdentityWishes): string {
  const wanted = device === "" ? hostName.toLowerCase() : device;
  if (isDeviceId(wanted)) return wanted;
  throw new FleetError("config-invalid", `the host's name "${wanted}" is no device id`, {
    hint: "give one with --device-id",
  });
}

function requireSame(setting: string, wanted: string, settled: string): void {
  if (wanted === "" || wanted === settled) return;
  if (setting === "device") {
    throw new FleetError("config-invalid", `this is device ${settled}, and device is ${wanted} in the configuration`, {
      hint: "a device keeps its id; use another data directory for another device",
    });
  }
  throw new FleetError(
    "config-invalid",
    `${setting} is ${wanted}, but the claim, or this device since, names ${settled}`,
    {
      hint: "compare both with what `fleetcert trust show` prints; the claim may not be from your fleet",
    },
  );
}

const identityKey = "device";
