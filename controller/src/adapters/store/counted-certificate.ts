import type { CertificateRecord } from "../../records.ts";

/**
 * Whether a certificate is in the age counters: it is a device's, in use, and not taken out as expired.
 *
 * A certificate is valid up to and including its notAfter (RFC 5280 §4.1.2.5); `expiredBefore` is the time of the last
 * `expire`.
 */
export function isCounted(certificate: CertificateRecord, expiredBefore: number): boolean {
  return isInUse(certificate) && certificate.notAfter >= expiredBefore;
}

/** Whether a certificate is a device's and neither retired, revoked nor abandoned. */
export function isInUse({ device, state }: CertificateRecord): boolean {
  return device !== "" && (state === "issued" || state === "proven");
}

/** The hour since the Unix epoch under which a certificate is counted. */
export function hourOf({ issuedAt }: CertificateRecord): number {
  return Math.floor(issuedAt / 3_600_000);
}
