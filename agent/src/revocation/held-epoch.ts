import type { HeadShard, RevocationHead, Via } from "@fleetcert/proto";
import type { CertificateRevocationList, IndexSet, Instant, ReasonCode, Serial } from "@fleetcert/shared";

/** The epoch of one issuer that is enforced. */
export interface HeldEpoch {
  readonly head: RevocationHead;
  /** SHA-256 of the payload the head came in, as acks name it. */
  readonly headSha256: Uint8Array;
  readonly appliedAt: Instant;
  readonly via: Via;
  /** By shard. A shard that the head names and that has neither snapshot nor list is damaged on the disk. */
  readonly snapshots: ReadonlyMap<number, IndexSet>;
  readonly lists: ReadonlyMap<number, CertificateRevocationList>;
}

/** What is held of one shard; at least one of both. */
export interface ShardState {
  readonly snapshot: IndexSet | undefined;
  readonly list: CertificateRevocationList | undefined;
}

/** Why it is not known whether a certificate is revoked. */
export type UnknownCause =
  /** Nothing of the issuer was ever applied. */
  | "nothing-held"
  /** Issued after what the held epoch covers, or in a shard it does not name: the state is too old to tell. */
  | "too-old"
  /** Of an issuer that is not the fleet's; or not a serial of our layout, and in no list. */
  | "not-ours"
  /** The state is older than the asking slot's policy lets good be taken for good. */
  | "stale"
  /** What would tell is damaged on the disk and has not come again. */
  | "damaged";

/** What is known about one certificate. `revoked` is certain; `good` only as far as the epoch goes. */
export type RevocationVerdict =
  | { readonly status: "good" }
  /** Reason and time are known where the list is held. */
  | { readonly status: "revoked"; readonly reason?: ReasonCode; readonly at?: Instant }
  | { readonly status: "unknown"; readonly why: UnknownCause };

/** Looks a serial up in what is held of its issuer. Staleness is not judged here. */
export function verdictOn(held: HeldEpoch, serial: Serial): RevocationVerdict {
  for (const list of listsFor(held, serial)) {
    const entry = list.find(serial);
    if (entry !== undefined) return { status: "revoked", reason: entry.reason, at: entry.revokedAt };
  }
  const { shard, index } = serial;
  if (shard === undefined || index === undefined) return { status: "unknown", why: "not-ours" };
  const covering = held.head.shards.find((one) => one.shard === shard);
  if (covering === undefined || index < covering.coveredFrom || index >= covering.coveredTo) {
    return { status: "unknown", why: "too-old" };
  }
  const snapshot = held.snapshots.get(shard);
  if (snapshot?.has(index)) return { status: "revoked" };
  return snapshot !== undefined || held.lists.has(shard) ? { status: "good" } : { status: "unknown", why: "damaged" };
}

/** Whether what the head names is at hand: a snapshot or a list of every shard, and every list where they are to be kept. */
export function isComplete(
  { head, snapshots, lists }: HeldEpoch,
  { keepsLists }: { readonly keepsLists: boolean },
): boolean {
  return head.shards.every(({ shard }) => lists.has(shard) || (!keepsLists && snapshots.has(shard)));
}

/** Whether the head names a snapshot of the shard; controllers before snapshots name none. */
export function hasSnapshot({ snapshotSha256 }: HeadShard): boolean {
  return snapshotSha256.length > 0;
}

/** Whether two hashes are the same; an absent one equals none. */
export function isSameHash(one: Uint8Array, other: Uint8Array): boolean {
  return one.length > 0 && Buffer.compare(one, other) === 0;
}

/** A serial of our layout stands in the list of its shard only; any other could stand in each. */
function listsFor({ lists }: HeldEpoch, { shard }: Serial): readonly CertificateRevocationList[] {
  if (shard === undefined) return [...lists.values()];
  const list = lists.get(shard);
  return list === undefined ? [] : [list];
}
