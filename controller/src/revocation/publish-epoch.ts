import { formatTopic, type HeadShard, partCount, splitParts } from "@fleetcert/proto";
import { type Instant, sha256Hex } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { CrlRecord, EpochRecord, ShardRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import { forgetOldLists } from "./compare-lists.ts";
import { announcePatches, clearSupersededPatches, type ListPatches, patchesTo, storePatches } from "./list-patches.ts";
import { beginPropagation } from "./propagation.ts";
import type { IssuerParts } from "./revocation.ts";
import { listOfShard } from "./shard-list.ts";
import {
  announceSnapshot,
  clearSupersededSnapshots,
  readSnapshots,
  type ShardSnapshots,
  snapshotInHead,
  storeSnapshots,
} from "./shard-snapshots.ts";

/** How the next epoch is to be made. */
export interface PublicationOptions {
  /** Signs every list again, not only those that changed. */
  readonly refreshAll: boolean;
  /** The revocation that asked for it, whose way to the agents is then measured. */
  readonly request?: { readonly requestedAt: Instant; readonly blockedAtBroker: number };
}

/** One publication for two wishes; the way to the agents is measured from the earlier request. */
export function mergeOptions(one: PublicationOptions, other: PublicationOptions): PublicationOptions {
  const requests = [one.request, other.request].filter((request) => request !== undefined);
  const [earliest] = requests.sort((a, b) => a.requestedAt - b.requestedAt);
  const blockedAtBroker = Math.max(...requests.map((request) => request.blockedAtBroker));
  return {
    refreshAll: one.refreshAll || other.refreshAll,
    ...(earliest && { request: { requestedAt: earliest.requestedAt, blockedAtBroker } }),
  };
}

/**
 * Publishes the issuer's next epoch: the number is anchored first, lists that changed are signed in the order of I2,
 * then parts, head and the clearing of superseded parts go out together. The caller lets publications follow each other.
 */
export async function publishEpoch(parts: IssuerParts, options: PublicationOptions): Promise<EpochRecord> {
  const { store, surroundings, anchor, authority } = parts;
  const issuer = authority.id;
  const { epoch, stored, hasSkipped } = await nextEpoch(parts);
  await anchor.raise(`epoch/${issuer}`, epoch);
  await surroundings.failpoint("crl.after-anchor");

  const now = surroundings.clock.now();
  const shards = await openShards(parts, now);
  // After a skip agents may hold newer lists than those at hand: all are made anew, or the head would take shards back.
  const refreshAll = options.refreshAll || hasSkipped;
  const waitingShards = await store.transaction((tx) => tx.revocations.waitingShards(issuer));
  const waiting = new Map(waitingShards.map(({ shard, count }) => [shard, count]));
  const contents: ShardContent[] = [];
  for (const shard of shards) {
    const made = { shard, epoch, stored, now, refreshAll, hasSkipped, waiting };
    const { list, requestedAt } = await listOfShard(parts, made);
    const before = hasSkipped ? [] : await store.transaction((tx) => readSnapshots(tx, shard));
    const patches = await patchesTo(parts, list);
    const snapshots = await parts.snapshots.next(before, { shard, list, epoch });
    contents.push({ shard, list, patches, requestedAt, snapshots });
    // Before anybody can have applied it.
    if (list.epoch === epoch) await parts.archive.save(list);
  }

  return await store.transaction(async (tx) => {
    const before = (await tx.epochs.latest(issuer))?.epoch ?? 0;
    const heads: HeadShard[] = [];
    for (const content of contents) heads.push(await headOf(tx, content));
    const { era } = parts.sealer;
    const nextUpdate = now + parts.settings.headNextUpdate;
    const body = { type: "head" as const, issuer, era, epoch, thisUpdate: now, nextUpdate, shards: heads };
    const head = await parts.sealer.seal({ recipient: "fleet", body, validFor: parts.settings.headNextUpdate });
    const record: EpochRecord = {
      issuer,
      era,
      epoch,
      thisUpdate: now,
      nextUpdate,
      head: head.envelope,
      headSha256: sha256Hex(head.payload),
    };
    await tx.epochs.put(record);
    // Also lists of an epoch that a crash kept from being published.
    for (const { list } of contents) if (list.epoch > before) await enqueueParts(tx, list);
    for (const { list, patches } of contents) await storePatches(tx, list, patches);
    for (const { shard, snapshots } of contents) await storeSnapshots(tx, shard, snapshots);
    await tx.outbox.enqueue({ topic: formatTopic({ type: "head", issuer }), payload: head.envelope, retain: true });
    for (const { shard, list, patches, snapshots } of contents) {
      await clearSupersededPatches(tx, list, patches);
      await clearSuperseded(tx, issuer, shard.shard);
      await clearSupersededSnapshots(tx, shard, snapshots);
    }
    const request = options.request ?? interruptedRequest(contents, now);
    if (request !== undefined) await beginPropagation(tx, { issuer, epoch, ...request, now: surroundings.clock.now() });
    await tx.epochs.deleteMadeBefore(issuer, now - keptEpochs);
    return record;
  });
}

/** What is due, if anything: something waits, a list or the head grows old, or indices are issued that no head covers. */
export async function isPublicationDue(
  parts: IssuerParts,
  { isStarting }: { readonly isStarting: boolean },
): Promise<PublicationOptions | undefined> {
  const { store, surroundings, authority, settings } = parts;
  const now = surroundings.clock.now();
  const shards = await openShards(parts, now);
  return await store.transaction(async (tx) => {
    const latest = await tx.epochs.latest(authority.id);
    // A new era follows a wrong clock or an old backup: what was signed before it need not hold now.
    if (latest === undefined || latest.era < parts.sealer.era) return { refreshAll: true };
    const lists = new Map((await tx.crls.glanceAt(authority.id)).map((one) => [one.shard, one]));
    for (const { shard, coveredTo } of shards) {
      const list = lists.get(shard);
      if (list === undefined || list.epoch > latest.epoch) return { refreshAll: false };
      const made = (await tx.epochs.find(authority.id, list.epoch))?.thisUpdate ?? 0;
      if (now - made >= settings.crlRefresh) return { refreshAll: true };
      const published = Number((await tx.settings.find(coveredSetting(authority.id, shard))) ?? 0);
      if (coveredTo > published) return { refreshAll: false };
    }
    const isWaitingLong = await hasWaited(tx, {
      issuer: authority.id,
      since: isStarting ? now : now - publicationDelay,
    });
    const isHeadOld = now >= latest.thisUpdate + settings.headNextUpdate / 2;
    return isWaitingLong || isHeadOld ? { refreshAll: false } : undefined;
  });
}

/** Whether something has waited since then, or so much that it is company enough. */
async function hasWaited(
  tx: Transaction,
  { issuer, since }: { readonly issuer: string; readonly since: Instant },
): Promise<boolean> {
  for (const { shard, count } of await tx.revocations.waitingShards(issuer)) {
    let isLong = count > companyEnough;
    const page = { issuer, shard, isWaiting: true, limit: companyEnough };
    if (!isLong) await tx.revocations.walk(page, ({ revokedAt }) => (isLong ||= revokedAt <= since));
    if (isLong) return true;
  }
  return false;
}

/** Enqueues the retained topics of the present epoch again, in their order. */
export async function announceEpoch(parts: IssuerParts): Promise<void> {
  const issuer = parts.authority.id;
  const shards = await openShards(parts, parts.surroundings.clock.now());
  for (const { shard } of shards) {
    const list = await parts.store.transaction((tx) => tx.crls.latest(issuer, shard));
    if (list !== undefined) await announcePatches(parts, list);
  }
  await parts.store.transaction(async (tx) => {
    const latest = await tx.epochs.latest(issuer);
    if (latest === undefined) return;
    for (const shard of shards) {
      const list = await tx.crls.latest(issuer, shard.shard);
      if (list !== undefined) await enqueueParts(tx, list);
      await announceSnapshot(tx, shard);
    }
    await tx.outbox.enqueue({ topic: formatTopic({ type: "head", issuer }), payload: latest.head, retain: true });
  });
}

/** One more than the store and the anchor know. An anchor that is ahead means an older store: its numbers are skipped. */
async function nextEpoch({ store, anchor, authority, surroundings }: IssuerParts) {
  const issuer = authority.id;
  const anchored = await anchor.read(`epoch/${issuer}`);
  const stored = (await store.transaction((tx) => tx.epochs.latest(issuer)))?.epoch ?? 0;
  if (anchored > stored) {
    surroundings.notices.raise({
      name: "epoch.skipped",
      details: { issuer, stored: `${stored}`, anchored: `${anchored}` },
    });
    await store.transaction((tx) =>
      appendAudit(tx, {
        at: surroundings.clock.now(),
        actor: "controller",
        action: "epoch.skipped",
        target: issuer,
        outcome: "success",
        details: { stored: String(stored), anchored: String(anchored) },
      }),
    );
  }
  return { epoch: Math.max(anchored, stored) + 1, stored, hasSkipped: anchored > stored };
}

/** Shards that still hold a certificate whose revocation matters, in order. */
async function openShards({ store, authority, settings }: IssuerParts, now: Instant): Promise<ShardRecord[]> {
  const shards = await store.transaction((tx) => tx.shards.listOf(authority.id));
  return shards
    .filter(({ notAfterTo }) => notAfterTo + settings.keepAfterExpiry + settings.crlNextUpdate > now)
    .sort((a, b) => a.shard - b.shard);
}

/**
 * The request of revocations that wait although nobody publishes for them: the process ended between the two. It was
 * blocked no later than now, as nobody was let in meanwhile. What the controller takes back by itself is not measured.
 */
function interruptedRequest(contents: readonly ShardContent[], now: Instant): PublicationOptions["request"] {
  const requested = contents.map(({ requestedAt }) => requestedAt).filter((one) => one !== undefined);
  if (requested.length === 0) return undefined;
  const requestedAt = Math.min(...requested);
  return { requestedAt, blockedAtBroker: Math.max(0, now - requestedAt) };
}

/** What one shard publishes. */
interface ShardContent {
  readonly shard: ShardRecord;
  readonly list: CrlRecord;
  readonly patches: ListPatches;
  /** Of the oldest revocation that no epoch has published yet. */
  readonly requestedAt: Instant | undefined;
  readonly snapshots: ShardSnapshots;
}

async function headOf(tx: Transaction, { shard, list, patches, snapshots }: ShardContent): Promise<HeadShard> {
  await tx.settings.put(coveredSetting(shard.issuer, shard.shard), String(shard.coveredTo));
  return {
    shard: shard.shard,
    coveredFrom: 0,
    coveredTo: shard.coveredTo,
    crlEpoch: list.epoch,
    crlLength: list.der.length,
    crlSha256: Uint8Array.from(Buffer.from(list.sha256, "hex")),
    crlPatchFrom: patches.from,
    ...snapshotInHead(snapshots),
  };
}

async function enqueueParts(tx: Transaction, { issuer, shard, epoch, der }: CrlRecord): Promise<void> {
  for (const [part, payload] of splitParts(der).entries()) {
    await tx.outbox.enqueue({
      topic: formatTopic({ type: "crl-part", issuer, shard, epoch, part }),
      payload,
      retain: true,
    });
  }
}

/** Clears the parts of the list that has just left the window kept on the broker; forgets those too old to be compared. */
async function clearSuperseded(tx: Transaction, issuer: string, shard: number): Promise<void> {
  const lists = await forgetOldLists(tx, issuer, shard);
  for (const { epoch, length } of lists.slice(keptLists, keptLists + clearedAtOnce)) {
    for (let part = 0; part < partCount(length); part++) {
      const topic = formatTopic({ type: "crl-part", issuer, shard, epoch, part });
      await tx.outbox.enqueue({ topic, payload: new Uint8Array(), retain: true });
    }
  }
}

const coveredSetting = (issuer: string, shard: number): string => `covered/${issuer}/${shard}`;

/** Lists of a shard whose parts stay retained: the present one and the two before it, for agents in the middle of one. */
const keptLists = 3;
const clearedAtOnce = 1;
/** How long an epoch is remembered: a device that was away that long can still acknowledge what it applied. */
const keptEpochs = 400 * 86_400_000;
/** How long a revocation that nobody waits for (superseded, aborted) may wait for company. */
const publicationDelay = 60_000;
const companyEnough = 1000;
