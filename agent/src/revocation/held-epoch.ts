import type { RevocationHead, Via } from "@fleetcert/proto";
import type { CertificateRevocationList, Instant, ReasonCode, Serial } from "@fleetcert/shared";

/** The epoch of one issuer that is enforced. */
export interface HeldEpoch {
  readonly head: RevocationHead;
  /** SHA-256 of the payload the head came in, as acks name it. */
  readonly headSha256: Uint8Array;
  readonly appliedAt: Instant;
  readonly via: Via;
  /** By shard; one that the head names and that is not here is damaged on the disk. */
  readonly lists: ReadonlyMap<number, CertificateRevocationList>;
}

/** Why it is not known whether a certificate is revoked. */
export type UnknownCause =
  /** Nothing of the issuer was ever applied. */
  | "nothing-held"
  /** Issued after what the held epoch covers, or in a shard it does not list. */
  | "not-covered"
  /** Not a serial of our layout, and in no list. */
  | "foreign-serial"
  /** The list that would tell is damaged on the disk and has not come again. */
  | "damaged";

/** What is known about one certificate. `revoked` is certain; `good` only as far as the epoch goes. */
export type RevocationVerdict =
  | { readonly status: "good" }
  | { readonly status: "revoked"; readonly reason: ReasonCode; readonly at: Instant }
  | { readonly status: "unknown"; readonly why: UnknownCause };

/** Looks a serial up in what is held of its issuer. Staleness is not judged here. */
export function verdictOn(held: HeldEpoch | undefined, serial: Serial): RevocationVerdict {
  if (held === undefined) return { status: "unknown", why: "nothing-held" };
  for (const list of listsFor(held, serial)) {
    const entry = list.find(serial);
    if (entry !== undefined) return { status: "revoked", reason: entry.reason, at: entry.revokedAt };
  }
  const { shard, index } = serial;
  if (shard === undefined || index === undefined) return { status: "unknown", why: "foreign-serial" };
  const covering = held.head.shards.find((one) => one.shard === shard);
  if (covering === undefined || index < covering.coveredFrom || index >= covering.coveredTo) {
    return { status: "unknown", why: "not-covered" };
  }
  return held.lists.has(shard) ? { status: "good" } : { status: "unknown", why: "damaged" };
}

/** Whether every list the head names is at hand. */
export function isComplete({ head, lists }: HeldEpoch): boolean {
  return head.shards.every(({ shard }) => lists.has(shard));
}

/** A serial of our layout stands in the list of its shard only; any other could stand in each. */
function listsFor({ lists }: HeldEpoch, { shard }: Serial): readonly CertificateRevocationList[] {
  if (shard === undefined) return [...lists.values()];
  const list = lists.get(shard);
  return list === undefined ? [] : [list];
}
