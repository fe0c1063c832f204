import { type OcspStatus, type ReasonCode, reasonCodeNumbers, type Serial } from "@fleetcert/shared";
import type { Transaction } from "../store-port.ts";

/**
 * What the inventory says of a serial of an issuer of ours, from the moment of the revocation on, published or not. Good is only
 * what was issued and stands in the inventory: a serial that nobody was given is unknown, one whose issuance was aborted revoked.
 */
export async function certificateStatus(tx: Transaction, issuer: string, serial: Serial): Promise<OcspStatus> {
  const revocation = await tx.revocations.find(issuer, serial.hex);
  if (revocation !== undefined && revocation.liftedAt === undefined) {
    const { reason, revokedAt } = revocation;
    const isKnown = Object.hasOwn(reasonCodeNumbers, reason);
    return { status: "revoked", at: revokedAt, reason: isKnown ? (reason as ReasonCode) : "unspecified" };
  }
  const certificate = await tx.certificates.findBySerial(issuer, serial.hex);
  return { status: certificate === undefined ? "unknown" : "good" };
}
