import { FleetError, type Instant } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { CertificateRecord, DeviceRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import { recordRevocation } from "./record-revocation.ts";
import type { RevocationParts } from "./revocation.ts";
import { requireReason } from "./selection.ts";

/** Why something is taken away, by whom and as part of which plan. */
export interface TakingAway {
  readonly actor: string;
  /** Hash. */
  readonly plan: string;
  readonly reason: string;
  readonly invalidityDate?: Instant | undefined;
  readonly now: Instant;
}

/** Whether a revocation for this reason would change the certificate: it is in force, or held and the reason is final. */
export function isLeftToRevoke({ revokedAt, revocationReason }: CertificateRecord, reason: string): boolean {
  return revokedAt === undefined || (revocationReason === "certificateHold" && reason !== "certificateHold");
}

/** Marks one certificate revoked or held and lets it wait for the next epoch. */
export async function revokeCertificate(
  tx: Transaction,
  certificate: CertificateRecord,
  { actor, plan, reason, invalidityDate, now }: TakingAway,
): Promise<void> {
  const { serial, device, revokedAt = now } = certificate;
  await tx.certificates.put({ ...certificate, state: "revoked", revokedAt, revocationReason: reason });
  await recordRevocation(tx, certificate, { reason: requireReason(reason), at: now, invalidityDate });
  await appendAudit(tx, {
    at: now,
    actor,
    action: "certificate.revoked",
    target: device === "" ? serial : device,
    outcome: "success",
    details: { serial, reason, generation: String(certificate.generation), plan },
  });
}

/** Ends a certificate of the controller itself, which needs nobody's word. */
export async function endOwn({ surroundings }: RevocationParts, tx: Transaction, sha256: string): Promise<void> {
  const certificate = await tx.certificates.find(sha256);
  if (certificate === undefined || certificate.device !== "") {
    throw new FleetError("not-found", `the controller has no certificate ${sha256} of its own`);
  }
  const now = surroundings.clock.now();
  await revokeCertificate(tx, certificate, { actor: "controller", plan: "", reason: "superseded", now });
}

/** Blocks a device until a person re-approves it (I7); one that is retired stays so. */
export async function suspendDevice(
  parts: RevocationParts,
  tx: Transaction,
  { device, actor, plan, why, now }: SuspendedDevice,
): Promise<void> {
  if (device.state === "retired") return;
  await parts.inventory.publishDesired(tx, { ...device, state: "suspended", stateReason: why });
  await appendAudit(tx, {
    at: now,
    actor,
    action: "device.suspended",
    target: device.id,
    outcome: "success",
    details: { reason: why, plan },
  });
}

interface SuspendedDevice extends Pick<TakingAway, "actor" | "plan" | "now"> {
  readonly device: DeviceRecord;
  readonly why: string;
}
