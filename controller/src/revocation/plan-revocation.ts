import { FleetError, type ReasonCode, reasonCodeNumbers, Serial } from "@fleetcert/shared";
import type { CertificateRecord, DeviceRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import type { RevocationParts, RevocationPlan, RevocationSelection } from "./revocation.ts";
import { countWithinDay } from "./revoke-alone.ts";

/** Works out what a selection means now. Throws `not-found`, `request-invalid`, `conflict` when nothing is left to revoke. */
export async function planRevocation(
  parts: RevocationParts,
  tx: Transaction,
  request: {
    readonly actor: string;
    readonly selection: RevocationSelection;
    /** A plan with nothing left to revoke is no error: a device may be retired after all it had was revoked. */
    readonly mayBeEmpty?: boolean;
  },
): Promise<RevocationPlan> {
  const { actor, selection, mayBeEmpty = false } = request;
  const reason = requireReason(selection.reason);
  const { device, serial } = selection;
  if ((device === undefined) === (serial === undefined)) {
    throw new FleetError("request-invalid", "a revocation names either a device or a serial");
  }
  const found = device === undefined ? await ofSerial(parts, tx, serial ?? "") : await ofDevice(tx, device);
  // DESIGN.md section 7.1: a compromised key suspends the device, whatever the selection was.
  const suspends = found.device !== undefined && (device !== undefined || reason === "keyCompromise");
  const certificates = found.certificates.filter(({ revokedAt }) => revokedAt === undefined);
  const isEmpty = certificates.length === 0 && !(suspends && found.device?.state === "active");
  if (isEmpty && !mayBeEmpty) {
    throw new FleetError("conflict", "there is nothing left to revoke", { hint: "see fleetcert cert list" });
  }
  const devices = found.device === undefined ? [] : [found.device];
  const used = await countWithinDay(tx, { actor, now: parts.surroundings.clock.now() });
  const connected = parts.inventory.connected();
  return {
    devices: devices.map(({ id }) => id),
    certificates,
    sites: [...new Set(devices.map(({ attributes }) => attributes.site))],
    owners: [...new Set(devices.map(({ attributes }) => attributes.owner))],
    offline: devices.filter(({ id }) => !connected.has(id)).length,
    suspends,
    aboveBound: used + 1 > parts.settings.revokeAlone,
  };
}

/** The reason as RFC 5280 names it; throws `request-invalid` for those that fit no end certificate. */
export function requireReason(reason: string): ReasonCode {
  if (Object.hasOwn(reasonCodeNumbers, reason) && !unfitReasons.has(reason)) return reason as ReasonCode;
  const fit = Object.keys(reasonCodeNumbers).filter((name) => !unfitReasons.has(name));
  throw new FleetError("request-invalid", `"${reason.slice(0, 40)}" is no reason to revoke a certificate`, {
    hint: `one of ${fit.join(", ")}`,
  });
}

interface Found {
  readonly device: DeviceRecord | undefined;
  readonly certificates: readonly CertificateRecord[];
}

async function ofDevice(tx: Transaction, id: string): Promise<Found> {
  const device = await tx.devices.find(id);
  if (device === undefined) throw new FleetError("not-found", `there is no device ${id}`);
  return { device, certificates: await tx.certificates.listOf(id) };
}

async function ofSerial(parts: RevocationParts, tx: Transaction, text: string): Promise<Found> {
  const serial = Serial.parse(text).hex;
  const certificate = await tx.certificates.findBySerial(parts.authority.id, serial);
  if (certificate === undefined) throw new FleetError("not-found", `no certificate has serial ${serial}`);
  const device = certificate.device === "" ? undefined : await tx.devices.find(certificate.device);
  return { device, certificates: [certificate] };
}

/** A hold would need its own way back; the others are about CAs and deltas. */
const unfitReasons = new Set(["certificateHold", "removeFromCRL", "cACompromise", "aACompromise"]);
