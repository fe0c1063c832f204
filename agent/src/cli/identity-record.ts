import { FleetError, isDeviceId, type parseClaimString } from "@fleetcert/shared";
import type { StateStore } from "../ports.ts";
import { putTwin, readTwin } from "../twin/twin-record.ts";
import type { AgentIdentity } from "./agent-parts.ts";

/** What a configuration says of the identity; the claim is asked only when nothing is stored yet. */
export interface IdentityWishes {
  /** Empty takes the host's name. */
  readonly device: string;
  readonly hostName: string;
  /** Empty takes the claim's. */
  readonly rootFingerprint: string;
  readonly claim: () => Promise<ReturnType<typeof parseClaimString>>;
}

/** The identity settled by an earlier enrolment; undefined before. */
export async function readIdentity(store: StateStore): Promise<AgentIdentity | undefined> {
  const bytes = await readTwin(store, identityKey);
  if (bytes === undefined) return undefined;
  const { fleet, device, rootSha256 } = JSON.parse(new TextDecoder().decode(bytes)) as AgentIdentity;
  return { fleet, device, rootSha256 };
}

/**
 * The stored identity, or one made from the claim and stored. Throws `config-invalid` when the configuration contradicts either, so
 * that a changed file never turns a device into another one.
 */
export async function settleIdentity(store: StateStore, wishes: IdentityWishes): Promise<AgentIdentity> {
  const stored = await readIdentity(store);
  if (stored !== undefined) {
    requireSame("device", wishes.device, stored.device);
    requireSame("rootFingerprint", wishes.rootFingerprint, stored.rootSha256);
    return stored;
  }
  const { fleet, rootSha256 } = await wishes.claim();
  requireSame("rootFingerprint", wishes.rootFingerprint, rootSha256);
  const device = wishes.device === "" ? wishes.hostName.toLowerCase() : wishes.device;
  if (!isDeviceId(device)) {
    throw new FleetError("config-invalid", `the host's name "${device}" is no device id`, {
      hint: "give one with --device-id",
    });
  }
  const identity = { fleet, device, rootSha256 };
  await store.write(putTwin(identityKey, new TextEncoder().encode(JSON.stringify(identity))));
  return identity;
}

function requireSame(setting: string, wanted: string, settled: string): void {
  if (wanted === "" || wanted === settled) return;
  throw new FleetError("config-invalid", `${setting} is ${wanted} in the configuration, but ${settled} was settled`, {
    hint:
      setting === "device"
        ? "a device keeps its id; use another data directory for another device"
        : "compare the fingerprint with what `fleetcert trust show` prints; the claim may not be from your fleet",
  });
}

const identityKey = "device";
