import { type CrlEntryTemplate, type Instant, parseCrl, Serial, sha256Hex } from "@fleetcert/shared";
import type { CrlRecord, RevocationRecord, ShardRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import { addDelta } from "./delta-list.ts";
import { listThisUpdate } from "./list-time.ts";
import { reasonOf } from "./record-revocation.ts";
import type { IssuerParts, RevocationSettings } from "./revocation.ts";

/** The list of a shard, with what it says that no published epoch has said. */
export interface ShardList {
  readonly list: CrlRecord;
  readonly unpublished: readonly RevocationRecord[];
}

/** The list of a shard at this epoch: the one there is while nothing changed, else a new one, signed and stored. */
export async function listOfShard(
  parts: IssuerParts,
  made: {
    readonly shard: ShardRecord;
    readonly epoch: number;
    /** The last epoch that was published. */
    readonly stored: number;
    readonly now: Instant;
    readonly refreshAll: boolean;
    /** Shards in which something waits for publication. */
    readonly waiting: ReadonlySet<number>;
    /** Lists were published that this store does not know: none of its lists is a base to go on from. */
    readonly hasSkipped: boolean;
  },
): Promise<ShardList> {
  const { store, authority, settings, issuance } = parts;
  const { epoch, stored, now } = made;
  const issuer = authority.id;
  const { shard } = made.shard;
  const latest = await store.transaction((tx) => tx.crls.latest(issuer, shard));
  const isWaiting = made.waiting.has(shard);
  // Ten thousand rows of a shard where nothing has happened are not read to find that out.
  if (latest !== undefined && latest.epoch <= stored && !isWaiting && !made.refreshAll) {
    return { list: latest, unpublished: [] };
  }
  const revocations = await store.transaction((tx) => tx.revocations.listOf(issuer, shard));
  const changed = revocations.filter((one) => one.epoch === 0);
  const unpublished = revocations.filter((one) => one.epoch === 0 || one.epoch > stored);
  if (latest !== undefined && changed.length === 0 && !made.refreshAll) return { list: latest, unpublished };

  const before = latest && parseCrl(latest.der).thisUpdate;
  const listed = revocations.filter((one) => isListed(one, { now, before, settings }));
  const entries = listed.map(entryOf);
  let list: CrlRecord | undefined;
  await issuance.signCrl({
    ...{ shard, epoch },
    thisUpdate: listThisUpdate({ now, before }),
    nextUpdate: now + settings.crlNextUpdate,
    entries,
    hasDelta: settings.deltaLists,
    async commit(tx, der) {
      list = { issuer, shard, epoch, der, sha256: sha256Hex(der), entryCount: listed.length };
      await tx.crls.put(list);
      for (const one of changed) await markPublished(tx, one, epoch);
    },
  });
  const complete = list as unknown as CrlRecord;
  const wantsDelta = settings.deltaLists && !made.hasSkipped;
  return { list: wantsDelta ? await addDelta(parts, { list: complete, entries, now }) : complete, unpublished };
}

/**
 * Whether a list made now names a revocation. RFC 5280 §3.3: an entry stays until it has stood on a list made after the
 * certificate's end; we keep it longer, for renewals after expiry and for clocks that are behind. A lifted hold goes at once.
 */
function isListed(
  { epoch, notAfter, liftedAt }: RevocationRecord,
  at: { readonly now: Instant; readonly before: Instant | undefined; readonly settings: RevocationSettings },
): boolean {
  if (liftedAt !== undefined) return false;
  const hasOutlived = at.before !== undefined && at.before > notAfter;
  return epoch === 0 || !hasOutlived || notAfter + at.settings.keepAfterExpiry > at.now;
}

/** What was lifted, held again or made final while the list was being signed waits for the next one. */
async function markPublished(tx: Transaction, listed: RevocationRecord, epoch: number): Promise<void> {
  const present = await tx.revocations.find(listed.issuer, listed.serial);
  const isSame = present?.liftedAt === listed.liftedAt && present?.reason === listed.reason;
  if (present !== undefined && isSame) await tx.revocations.put({ ...present, epoch });
}

function entryOf(revocation: RevocationRecord): CrlEntryTemplate {
  const { serial, revokedAt, invalidityDate } = revocation;
  const entry = { serial: Serial.parse(serial), revokedAt, reason: reasonOf(revocation) };
  return invalidityDate === undefined ? entry : { ...entry, invalidityDate };
}
