import { type HeadShard, joinParts, partCount, type Topic } from "@fleetcert/proto";
import {
  applySnapshotDelta,
  type Certificate,
  type CertificateRevocationList,
  decodeSnapshot,
  encodeSnapshot,
  type IndexSet,
  isFleetError,
  sha256,
} from "@fleetcert/shared";
import type { ListPatches, Log, StateStore } from "../ports.ts";
import type { RetainedSource } from "../retained/retained-topics.ts";
import { readList, readSnapshot, writeList, writeSnapshot } from "./epoch-store.ts";
import { type HeldEpoch, hasSnapshot, isSameHash, type ShardState } from "./held-epoch.ts";
import { RevocationRefusal } from "./refusal.ts";
import { verifyShardCrl } from "./verify-shard-crl.ts";

/** What obtaining a shard works with. */
export interface ShardSource {
  readonly state: StateStore;
  readonly retained: RetainedSource;
  readonly log: Log;
  readonly patches: ListPatches;
  readonly issuer: string;
  readonly certificate: Certificate;
  /** The epoch in force: what it shares with the new one is not fetched. */
  readonly before: HeldEpoch | undefined;
  /** Whether the list is wanted beside the snapshot. */
  readonly keepsLists: boolean;
  readonly signal: AbortSignal;
}

/**
 * Everything that is to be held of one shard: from memory, from the disk, else fetched, verified and stored. The snapshot by a
 * delta where the base is held, else whole; the list, by a patch where one leads from the list held, where it is wanted or where
 * no snapshot could be had.
 * Throws a {@link RevocationRefusal}, or what fetching or storing threw.
 */
export async function obtainShard(source: ShardSource, shard: HeadShard): Promise<ShardState> {
  const snapshot = hasSnapshot(shard) ? await obtainSnapshot(source, shard) : undefined;
  const list = source.keepsLists || snapshot === undefined ? await obtainList(source, shard) : undefined;
  return { snapshot, list };
}

async function obtainSnapshot(source: ShardSource, shard: HeadShard): Promise<IndexSet | undefined> {
  const { before, issuer, log } = source;
  const rowBefore = before?.head.shards.find((one) => one.shard === shard.shard);
  const held = before?.snapshots.get(shard.shard);
  if (rowBefore !== undefined && held !== undefined && isSameHash(rowBefore.snapshotSha256, shard.snapshotSha256)) {
    return held;
  }
  const ways = [
    () => fromDisk(source, shard),
    ...(rowBefore !== undefined && held !== undefined && shard.deltaFrom.includes(rowBefore.snapshotEpoch)
      ? [() => fromDelta(source, shard, { base: held, row: rowBefore })]
      : []),
    () => fromParts(source, shard),
  ];
  for (const way of ways) {
    source.signal.throwIfAborted();
    try {
      const snapshot = await way();
      if (snapshot !== undefined) return snapshot;
    } catch (error) {
      // What does not verify or does not come has another way; without a session none has.
      if (!isFleetError(error, "revocation-invalid", "version-unsupported", "timeout")) throw error;
      log.warn({ issuer, shard: shard.shard, error, code: error.code }, "revocation snapshot refused");
    }
  }
  return undefined;
}

async function fromDisk({ state, issuer }: ShardSource, shard: HeadShard): Promise<IndexSet | undefined> {
  const stored = await readSnapshot(state, issuer, shard);
  return stored === undefined ? undefined : verified(stored, shard);
}

async function fromDelta(
  { state, issuer, retained, signal }: ShardSource,
  shard: HeadShard,
  { base, row }: { readonly base: IndexSet; readonly row: HeadShard },
): Promise<IndexSet> {
  const topic: Topic = { type: "delta", issuer, shard: shard.shard, from: row.snapshotEpoch, to: shard.snapshotEpoch };
  const [delta = new Uint8Array()] = await retained.fetch([topic], signal);
  // Nothing signs a delta: what it may cost before the hash of its result is known follows from both signed heads.
  const maxChanges = row.revokedCount + shard.revokedCount;
  const snapshot = applySnapshotDelta(base, delta, { size: shard.coveredTo, maxChanges });
  const bytes = encodeSnapshot(snapshot);
  requireHash(bytes, shard);
  await writeSnapshot(state, issuer, { shard, bytes });
  return snapshot;
}

async function fromParts({ state, issuer, retained, signal }: ShardSource, shard: HeadShard): Promise<IndexSet> {
  const { snapshotEpoch: epoch, snapshotLength: length } = shard;
  const parts = await retained.fetch(topicsOf("snapshot-part", { issuer, shard: shard.shard, epoch, length }), signal);
  const bytes = joinWhole(parts, { shard: shard.shard, length });
  const snapshot = verified(bytes, shard);
  await writeSnapshot(state, issuer, { shard, bytes });
  return snapshot;
}

/** The list in memory, one that was stored before a cut, or fetched now; stored before it is used. */
async function obtainList(source: ShardSource, shard: HeadShard): Promise<CertificateRevocationList> {
  const { state, retained, signal, issuer, certificate, before } = source;
  const rowBefore = before?.head.shards.find((one) => one.shard === shard.shard);
  const isSame = rowBefore?.crlEpoch === shard.crlEpoch && isSameHash(rowBefore.crlSha256, shard.crlSha256);
  const held = isSame ? before?.lists.get(shard.shard) : undefined;
  if (held !== undefined) return held;
  const stored = await readList(state, issuer, shard);
  if (stored !== undefined) return verifyShardCrl(stored, shard, certificate);
  const base = before?.lists.get(shard.shard)?.der;
  const from = rowBefore?.crlEpoch;
  if (base !== undefined && from !== undefined && shard.crlPatchFrom.includes(from)) {
    const patched = await patchedList(source, shard, { base, from });
    if (patched !== undefined) return patched;
  }
  const { crlEpoch: epoch, crlLength: length } = shard;
  const parts = await retained.fetch(topicsOf("crl-part", { issuer, shard: shard.shard, epoch, length }), signal);
  const der = joinWhole(parts, { shard: shard.shard, length });
  const list = verifyShardCrl(der, shard, certificate);
  await writeList(state, issuer, { shard, der });
  return list;
}

/** Undefined when the patch does not come or leads to anything but the list the head names: then the whole is fetched. */
async function patchedList(
  { state, retained, signal, log, patches, issuer, certificate }: ShardSource,
  shard: HeadShard,
  { base, from }: { readonly base: Uint8Array; readonly from: number },
): Promise<CertificateRevocationList | undefined> {
  const topic: Topic = { type: "crl-patch", issuer, shard: shard.shard, from, to: shard.crlEpoch };
  try {
    const [patch = new Uint8Array()] = await retained.fetch([topic], signal);
    const der = await patches.apply({ base, patch, length: shard.crlLength });
    const list = verifyShardCrl(der, shard, certificate);
    await writeList(state, issuer, { shard, der });
    return list;
  } catch (error) {
    if (!isFleetError(error, "revocation-invalid", "timeout")) throw error;
    log.warn({ issuer, shard: shard.shard, error, code: error.code }, "patch of a revocation list refused");
    return undefined;
  }
}

function verified(bytes: Uint8Array, shard: HeadShard): IndexSet {
  requireHash(bytes, shard);
  return decodeSnapshot(bytes, shard.coveredTo);
}

/** The head's hash is what is believed; how the octets came here is not. */
function requireHash(bytes: Uint8Array, { shard, snapshotEpoch, snapshotLength, snapshotSha256 }: HeadShard): void {
  if (bytes.length === snapshotLength && isSameHash(sha256(bytes), snapshotSha256)) return;
  throw new RevocationRefusal(
    "wrong-hash",
    `the snapshot of shard ${shard}, epoch ${snapshotEpoch}, is not the one its head names`,
  );
}

function topicsOf(
  type: "crl-part" | "snapshot-part",
  { issuer, shard, epoch, length }: { issuer: string; shard: number; epoch: number; length: number },
): Topic[] {
  return Array.from({ length: partCount(length) }, (_, part) => ({ type, issuer, shard, epoch, part }));
}

function joinWhole(
  parts: readonly Uint8Array[],
  { shard, length }: { readonly shard: number; readonly length: number },
): Uint8Array {
  try {
    return joinParts(parts, length);
  } catch (cause) {
    if (!isFleetError(cause, "message-invalid")) throw cause;
    throw new RevocationRefusal("truncated", `the parts of shard ${shard} do not join: ${cause.message}`, cause);
  }
}
