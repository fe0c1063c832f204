import { FleetError, type Instant, type ReasonCode, reasonCodeNumbers } from "@fleetcert/shared";
import type { CertificateRecord, RevocationRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";

/** Why a certificate is taken away, and since when. */
export interface RevocationCause {
  readonly reason: ReasonCode;
  readonly at: Instant;
  /** Since when the key may have been another's, where that is known. */
  readonly invalidityDate?: Instant | undefined;
}

/**
 * Lets a certificate be named by the next lists; a hold may be made final, or set again after it was lifted. Resolves with
 * whether that changes anything: what is revoked for good stays as it is.
 */
export async function recordRevocation(
  tx: Transaction,
  certificate: Pick<CertificateRecord, "issuer" | "serial" | "shard" | "index" | "notAfter">,
  { reason, at, invalidityDate }: RevocationCause,
): Promise<boolean> {
  const { issuer, serial, shard, index, notAfter } = certificate;
  const before = await tx.revocations.find(issuer, serial);
  const isHeld = before !== undefined && isOnHold(before);
  if (before !== undefined && before.liftedAt === undefined && !(isHeld && reason !== "certificateHold")) return false;
  // ITU-T X.509 §9.5.3.3: a hold that becomes final keeps the date on which it began.
  const revokedAt = isHeld ? before.revokedAt : at;
  const row = { issuer, serial, shard, index, notAfter, reason, revokedAt, epoch: 0, invalidityDate };
  await tx.revocations.put(row);
  return true;
}

/** Lets the next lists leave a held certificate out. Throws `conflict` for one that is not on hold: nothing else has a way back. */
export async function liftHold(
  tx: Transaction,
  { issuer, serial, at }: { readonly issuer: string; readonly serial: string; readonly at: Instant },
): Promise<void> {
  const held = await tx.revocations.find(issuer, serial);
  if (held === undefined || !isOnHold(held)) {
    throw new FleetError("conflict", `certificate ${serial} is not on hold`, {
      hint: "only a hold can be taken back; a revoked device gets a new certificate after its re-approval",
    });
  }
  await tx.revocations.put({ ...held, liftedAt: at, epoch: 0 });
}

/** Whether the certificate is taken away only until somebody lifts that. */
export function isOnHold({ reason, liftedAt }: RevocationRecord): boolean {
  return reason === "certificateHold" && liftedAt === undefined;
}

/** The reason a record keeps, as RFC 5280 names it. Throws `internal` for a name it does not know. */
export function reasonOf({ reason }: RevocationRecord): ReasonCode {
  if (Object.hasOwn(reasonCodeNumbers, reason)) return reason as ReasonCode;
  throw new FleetError("internal", `a revocation is stored with the reason "${reason.slice(0, 40)}"`);
}
