import { CrlEntryBuffer, type Instant, readCrlDates } from "@fleetcert/shared";
import type { CrlRecord, RevocationRecord, ShardRecord } from "../records.ts";
import { addDelta } from "./delta-list.ts";
import { listThisUpdate } from "./list-time.ts";
import type { IssuerParts, RevocationSettings } from "./revocation.ts";
import { entryOf, markPublished, walkShard } from "./walk-shard.ts";

/** The list of a shard, with what it says that no published epoch has said. */
export interface ShardList {
  readonly list: CrlRecord;
  /** When the oldest revocation was asked for that no published epoch names; undefined when somebody waits for none. */
  readonly requestedAt: Instant | undefined;
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
    /** How many wait for publication, by shard. */
    readonly waiting: ReadonlyMap<number, number>;
    /** Lists were published that this store does not know: none of its lists is a base to go on from. */
    readonly hasSkipped: boolean;
  },
): Promise<ShardList> {
  const { store, authority, settings, issuance } = parts;
  const { epoch, stored, now } = made;
  const issuer = authority.id;
  const { shard } = made.shard;
  const waiting = made.waiting.get(shard) ?? 0;
  const latest = await store.transaction((tx) => tx.crls.latest(issuer, shard));
  // Ten thousand rows of a shard where nothing has happened are not read to find that out.
  if (latest !== undefined && latest.epoch <= stored && waiting === 0 && !made.refreshAll) {
    return { list: latest, requestedAt: undefined };
  }
  const before = latest && readCrlDates(latest.der).thisUpdate;
  const entries = new CrlEntryBuffer((latest?.entryCount ?? 0) + waiting);
  const at = { now, before, settings };
  let hasChanged = false;
  let requestedAt: Instant | undefined;
  await walkShard(store, { issuer, shard }, (row) => {
    if (row.epoch === 0) hasChanged = true;
    if (row.epoch === 0 || row.epoch > stored) requestedAt = earlier(requestedAt, row);
    if (isListed(row, at)) entries.add(entryOf(row));
  });
  if (latest !== undefined && !hasChanged && !made.refreshAll) return { list: latest, requestedAt };

  let complete: SignedList | undefined;
  await issuance.signCrl({
    ...{ shard, epoch },
    thisUpdate: listThisUpdate({ now, before }),
    nextUpdate: now + settings.crlNextUpdate,
    entries,
    hasDelta: settings.deltaLists,
    async commit(tx, list) {
      const record = { issuer, shard, epoch, der: list.der, sha256: list.sha256, entryCount: list.entryCount };
      await tx.crls.put(record);
      await markPublished(tx, record, list);
      complete = { record, list };
    },
  });
  const { record, list } = complete as unknown as SignedList;
  const wantsDelta = settings.deltaLists && !made.hasSkipped;
  return { list: wantsDelta ? await addDelta(parts, { record, list, now }) : record, requestedAt };
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

/** What the controller takes back by itself nobody has asked for. */
function earlier(known: Instant | undefined, { reason, liftedAt, revokedAt }: RevocationRecord): Instant | undefined {
  if (routineReasons.has(reason) || liftedAt !== undefined) return known;
  return Math.min(known ?? revokedAt, revokedAt);
}

type SignedList = Pick<Parameters<typeof addDelta>[1], "record" | "list">;

/** Ends that the controller brings about itself. */
const routineReasons = new Set(["superseded", "unspecified"]);
