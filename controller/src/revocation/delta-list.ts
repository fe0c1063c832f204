import { type CertificateRevocationList, CrlEntryBuffer, type Instant, parseCrl } from "@fleetcert/shared";
import type { CrlRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import type { IssuerParts } from "./revocation.ts";

/**
 * Signs the delta from an older complete list to the one just made, under the same number (RFC 5280 §5.2.4), and keeps it
 * beside that list. Made of the two lists themselves, so that whoever applies it knows what the complete list says.
 */
export async function addDelta(
  { store, issuance, settings }: IssuerParts,
  made: { readonly record: CrlRecord; readonly list: CertificateRevocationList; readonly now: Instant },
): Promise<CrlRecord> {
  const { record, list, now } = made;
  const found = await store.transaction((tx) => baseOf(tx, record));
  if (found === undefined) return record;
  const { base, deltaBefore } = found;
  let withDelta = record;
  await issuance.signCrl({
    shard: record.shard,
    epoch: record.epoch,
    thisUpdate: list.thisUpdate,
    // The next one comes with the next list, a refresh at the latest.
    nextUpdate: now + Math.min(settings.crlNextUpdate, 2 * settings.crlRefresh),
    entries: differenceOf({ base: parseCrl(base.der), deltaBefore: deltaBefore && parseCrl(deltaBefore), list }),
    deltaBase: base.epoch,
    async commit(tx, delta) {
      withDelta = { ...record, deltaBase: base.epoch, deltaDer: delta.der };
      await tx.crls.put(withDelta);
    },
  });
  return withDelta;
}

/** The base of the delta before stays for a while: whoever has a complete list not older than it needs deltas only. */
async function baseOf(
  tx: Transaction,
  { issuer, shard, epoch }: CrlRecord,
): Promise<{ readonly base: CrlRecord; readonly deltaBefore: Uint8Array | undefined } | undefined> {
  const [last, ...older] = (await tx.crls.listOf(issuer, shard, listsOnOneBase)).filter((one) => one.epoch < epoch);
  const before = last && (await tx.crls.find(issuer, shard, last.epoch));
  if (before === undefined) return undefined;
  const isKept = older.some((one) => one.epoch === before.deltaBase);
  const base = isKept ? await tx.crls.find(issuer, shard, before.deltaBase ?? 0) : undefined;
  return base === undefined ? { base: before, deltaBefore: undefined } : { base, deltaBefore: before.deltaDer };
}

/**
 * What has come, changed, or gone. RFC 5280 §5.3.1: `removeFromCRL` stands for lifted holds and for entries that ran out; also for
 * one that was put on hold and released since the base, because a complete list in between has named it: the delta before
 * did too.
 */
function differenceOf({
  base,
  deltaBefore,
  list,
}: {
  readonly base: CertificateRevocationList;
  readonly deltaBefore: CertificateRevocationList | undefined;
  readonly list: CertificateRevocationList;
}): CrlEntryBuffer {
  const entries = new CrlEntryBuffer();
  for (const entry of list.revoked.notIn(base.revoked)) entries.add(entry);
  const gone = new Map<string, Instant>();
  for (const before of deltaBefore === undefined ? [base] : [base, deltaBefore]) {
    for (const { serial, revokedAt } of before.revoked.notIn(list.revoked)) {
      if (list.find(serial) === undefined) gone.set(serial.hex, revokedAt);
    }
  }
  for (const [serial, revokedAt] of gone) entries.add({ serial, revokedAt, reason: "removeFromCRL" });
  return entries;
}

/** Of more lists than these the oldest is no base any more: deltas would grow, and the store forgets lists. */
const listsOnOneBase = 32;
