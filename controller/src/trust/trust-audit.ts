import type { TrustBundle } from "@fleetcert/proto";
import { type Instant, parseCertificate, parseCrl, sha256Hex } from "@fleetcert/shared";
import { type AuditEvent, appendAudit } from "../audit/append-audit.ts";
import type { Transaction } from "../store-port.ts";
import type { RootIntent } from "./sign-ca.ts";

interface Said {
  readonly at: Instant;
  readonly actor: string;
}

/**
 * The root is about to sign these bytes (I2). The intent stays open until a bundle brings what was signed; one that never
 * does is aborted when the controller starts. CA serials are not of the revocation layout: none is burnt.
 */
export async function openRootIntent(
  tx: Transaction,
  { at, actor, kind, target, tbsSha256 }: Said & RootIntent,
): Promise<void> {
  await tx.intents.put({
    ...{ tbsSha256, kind, state: "open", openedAt: at, issuer: "root", device: "" },
    ...{ serial: "", shard: 0, index: 0, notAfter: 0, slot: "", generation: 0, spkiSha256: "", claimId: "" },
  });
  await appendAudit(tx, {
    ...{ at, actor, action: `${kind}.intent`, target, outcome: "intent", details: { tbsSha256 } },
  });
}

/** Writes down that a bundle is in force, and closes the intents of the CA certificates and lists it brings. */
export async function recordPublication(
  tx: Transaction,
  said: Said & { readonly next: TrustBundle; readonly before: TrustBundle },
): Promise<void> {
  for (const entry of publicationEntries(said)) {
    await appendAudit(tx, entry);
    const intent = await tx.intents.find(entry.details?.["tbsSha256"] ?? "");
    if (intent?.state === "open") await tx.intents.put({ ...intent, state: "issued" });
  }
}

/** A bundle is in force, and with it every CA certificate and root's list that its predecessor did not have. */
function publicationEntries({
  at,
  actor,
  next,
  before,
}: Said & { readonly next: TrustBundle; readonly before: TrustBundle }): AuditEvent[] {
  const known = new Set([...before.issuers, ...before.roots, ...before.bridges].map((der) => sha256Hex(der)));
  const cas = [
    ...next.roots.map((der) => ({ target: "root CA", der })),
    ...next.bridges.map((der) => ({ target: "bridge to the new root", der })),
    ...next.issuers.map((der) => ({ target: "issuing CA", der })),
  ];
  const made = cas
    .map(({ target, der }) => ({ target, ...parseCertificate(der) }))
    .filter(({ sha256 }) => !known.has(sha256));
  const listed = new Set(before.rootLists.map((der) => sha256Hex(der)));
  const lists = next.rootLists.map(parseCrl).filter(({ sha256 }) => !listed.has(sha256));
  const details = { era: String(next.era), version: String(next.version), expires: iso(next.expires) };
  return [
    ...made.map(({ target, sha256, tbs, notAfter }) => ({
      ...{ at, actor, action: "ca.created" as const, target, outcome: "success" as const },
      details: { tbsSha256: sha256Hex(tbs), sha256, notAfter: iso(notAfter) },
    })),
    ...lists.map(({ sha256, tbs, nextUpdate = at }) => ({
      ...{ at, actor, action: "crl.published" as const, target: "root list", outcome: "success" as const },
      details: { tbsSha256: sha256Hex(tbs), sha256, nextUpdate: iso(nextUpdate) },
    })),
    { at, actor, action: "trust.published", target: next.fleet, outcome: "success", details },
  ];
}

const iso = (instant: Instant): string => new Date(instant).toISOString();
