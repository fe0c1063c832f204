import {
  type CertificateRevocationList,
  type CrlEntry,
  parseCertificate,
  parseCrl,
  verifyCrl,
} from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { CertificateRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import { recordRevocation } from "./record-revocation.ts";
import type { IssuerParts } from "./revocation.ts";

/**
 * Compares the archived lists with the store. Where an archived list is newer, an older database was put back: what it
 * has forgotten is revoked again, the devices of compromised keys are suspended again, and a person is told (I3, I7).
 */
export async function recoverRevocations(parts: IssuerParts): Promise<number> {
  const { store, archive, authority, surroundings } = parts;
  const issuer = authority.id;
  let recovered = 0;
  for (const { shard, der } of await archive.list(issuer)) {
    const list = parseCrl(der);
    verifyCrl({ crl: list, issuer: parseCertificate(authority.certificate) });
    const known = await store.transaction(async (tx) => (await tx.crls.latest(issuer, shard))?.epoch ?? 0);
    if (list.crlNumber === undefined || list.crlNumber <= BigInt(known)) continue;
    recovered += await store.transaction((tx) => takeBack(parts, tx, { shard, list }));
  }
  if (recovered === 0) return 0;
  const details = { issuer, recovered: String(recovered) };
  surroundings.notices.raise({ name: "revocation.recovered", details });
  await store.transaction((tx) =>
    appendAudit(tx, {
      at: surroundings.clock.now(),
      actor: "controller",
      action: "revocation.recovered",
      target: issuer,
      outcome: "success",
      details,
    }),
  );
  return recovered;
}

async function takeBack(
  parts: IssuerParts,
  tx: Transaction,
  { shard, list }: { readonly shard: number; readonly list: CertificateRevocationList },
): Promise<number> {
  let count = 0;
  for (const entry of list.entries()) if (await revokeAgain(parts, tx, { entry, shard })) count += 1;
  return count;
}

/** Whether the store had forgotten it, or knew it as a hold that was lifted or not yet final. */
async function revokeAgain(
  parts: IssuerParts,
  tx: Transaction,
  { entry, shard }: { readonly entry: CrlEntry; readonly shard: number },
): Promise<boolean> {
  const issuer = parts.authority.id;
  const { serial, revokedAt, reason, invalidityDate } = entry;
  const certificate = await tx.certificates.findBySerial(issuer, serial.hex);
  // A certificate the store has forgotten too ends with its shard at the latest.
  const notAfter = certificate?.notAfter ?? (await tx.shards.find(issuer, shard))?.notAfterTo ?? revokedAt;
  const revoked = { issuer, serial: serial.hex, shard, index: serial.index ?? 0, notAfter };
  if (!(await recordRevocation(tx, revoked, { reason, at: revokedAt, invalidityDate }))) return false;
  if (certificate !== undefined) await takeAway(parts, tx, { certificate, entry });
  return true;
}

async function takeAway(
  parts: IssuerParts,
  tx: Transaction,
  { certificate, entry }: { readonly certificate: CertificateRecord; readonly entry: CrlEntry },
): Promise<void> {
  const { revokedAt, reason } = entry;
  if (certificate.revokedAt !== undefined) return;
  await tx.certificates.put({ ...certificate, state: "revoked", revokedAt, revocationReason: reason });
  const device = certificate.device === "" ? undefined : await tx.devices.find(certificate.device);
  if (device?.state !== "active" || harmlessReasons.has(reason)) return;
  const stateReason = `revoked: ${reason}, known from the archived list`;
  await parts.inventory.publishDesired(tx, { ...device, state: "suspended", stateReason });
}

/** Ends of a certificate that say nothing against its device. */
const harmlessReasons = new Set(["superseded", "cessationOfOperation", "unspecified"]);
