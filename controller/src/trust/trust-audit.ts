import type { TrustBundle } from "@fleetcert/proto";
import { type Instant, parseCertificate, sha256Hex } from "@fleetcert/shared";
import type { AuditEvent } from "../audit/append-audit.ts";

interface Said {
  readonly at: Instant;
  readonly actor: string;
}

/** The root is about to sign these bytes (I2). */
export function rootIntent({
  at,
  actor,
  target,
  tbsSha256,
}: Said & { readonly target: string; readonly tbsSha256: string }): AuditEvent {
  return { at, actor, action: "certificate.intent", target, outcome: "intent", details: { tbsSha256 } };
}

/** A bundle is in force, and with it every CA certificate that its predecessor did not have. */
export function publicationEntries({
  at,
  actor,
  next,
  before,
}: Said & { readonly next: TrustBundle; readonly before: TrustBundle }): AuditEvent[] {
  const known = new Set(before.issuers.map((der) => sha256Hex(der)));
  const made = next.issuers.map(parseCertificate).filter(({ sha256 }) => !known.has(sha256));
  const details = { era: String(next.era), version: String(next.version), expires: iso(next.expires) };
  return [
    ...made.map(({ sha256, tbs, notAfter }) => ({
      ...{ at, actor, action: "ca.created" as const, target: "issuing CA", outcome: "success" as const },
      details: { tbsSha256: sha256Hex(tbs), sha256, notAfter: iso(notAfter) },
    })),
    { at, actor, action: "trust.published", target: next.fleet, outcome: "success", details },
  ];
}

const iso = (instant: Instant): string => new Date(instant).toISOString();
