import { type CertificateRevocationList, type CrlEntryTemplate, type Instant, parseCrl } from "@fleetcert/shared";
import type { CrlRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import type { IssuerParts } from "./revocation.ts";

/**
 * Signs the delta from an older complete list to the one just made, under the same number (RFC 5280 §5.2.4), and keeps it
 * beside that list. Made of the two lists themselves, so that whoever applies it knows what the complete list says.
 */
export async function addDelta(
  { store, issuance, settings }: IssuerParts,
  made: { readonly list: CrlRecord; readonly entries: readonly CrlEntryTemplate[]; readonly now: Instant },
): Promise<CrlRecord> {
  const { list, entries, now } = made;
  const found = await store.transaction((tx) => baseOf(tx, list));
  if (found === undefined) return list;
  const { base, deltaBefore } = found;
  const before = [base.der, ...(deltaBefore === undefined ? [] : [deltaBefore])].map(parseCrl);
  let record = list;
  await issuance.signCrl({
    shard: list.shard,
    epoch: list.epoch,
    thisUpdate: parseCrl(list.der).thisUpdate,
    // The next one comes with the next list, a refresh at the latest.
    nextUpdate: now + Math.min(settings.crlNextUpdate, 2 * settings.crlRefresh),
    entries: differenceOf(before, entries),
    deltaBase: base.epoch,
    async commit(tx, deltaDer) {
      record = { ...list, deltaBase: base.epoch, deltaDer };
      await tx.crls.put(record);
    },
  });
  return record;
}

/** The base of the delta before stays for a while: whoever has a complete list not older than it needs deltas only. */
async function baseOf(
  tx: Transaction,
  { issuer, shard, epoch }: CrlRecord,
): Promise<{ readonly base: CrlRecord; readonly deltaBefore: Uint8Array | undefined } | undefined> {
  const [before, ...older] = (await tx.crls.listOf(issuer, shard, listsOnOneBase)).filter((one) => one.epoch < epoch);
  const base = older.find((one) => one.epoch === before?.deltaBase);
  if (base !== undefined) return { base, deltaBefore: before?.deltaDer };
  return before && { base: before, deltaBefore: undefined };
}

/**
 * What has come, changed, or gone. RFC 5280 §5.3.1: `removeFromCRL` stands for lifted holds and for entries that ran out; also for
 * one that was put on hold and released since the base, because a complete list in between has named it: the delta before
 * did too.
 */
function differenceOf(
  [base, ...since]: readonly CertificateRevocationList[],
  entries: readonly CrlEntryTemplate[],
): CrlEntryTemplate[] {
  const added = entries.filter((entry) => {
    const known = base?.find(entry.serial);
    return known?.reason !== (entry.reason ?? "unspecified") || !isSameTime(known, entry);
  });
  const present = new Set(entries.map(({ serial }) => serial.hex));
  const gone = new Map<string, CrlEntryTemplate>();
  for (const list of [...(base === undefined ? [] : [base]), ...since]) {
    for (const { serial, revokedAt } of list.entries()) {
      if (!present.has(serial.hex)) gone.set(serial.hex, { serial, revokedAt, reason: "removeFromCRL" });
    }
  }
  return [...added, ...gone.values()];
}

/** Lists say whole seconds. */
function isSameTime(one: CrlEntryTemplate, other: CrlEntryTemplate): boolean {
  const seconds = (instant: Instant | undefined) => instant && Math.floor(instant / 1000);
  return (
    seconds(one.revokedAt) === seconds(other.revokedAt) && seconds(one.invalidityDate) === seconds(other.invalidityDate)
  );
}

/** Of more lists than these the oldest is no base any more: deltas would grow, and the store forgets lists. */
const listsOnOneBase = 32;
