import { crlPartBytes, formatTopic, splitParts } from "@fleetcert/proto";
import {
  decodeSnapshot,
  encodeSnapshot,
  encodeSnapshotDelta,
  IndexSet,
  parseCrl,
  Serial,
  sha256,
} from "@fleetcert/shared";
import type { CrlRecord, ShardRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";

/** One compact snapshot of a shard: exactly what its list said of the indices covered. */
export interface ShardSnapshot {
  /** In which it was published. */
  readonly epoch: number;
  /** Epoch of the list it was made of. */
  readonly crlEpoch: number;
  /** Indices below it are covered. */
  readonly size: number;
  readonly revokedCount: number;
  readonly bytes: Uint8Array;
  /** Epochs from which a delta to it is published. */
  readonly deltaFrom: readonly number[];
}

/** The snapshots of a shard at one epoch. */
export interface ShardSnapshots {
  /** Newest first: the one in force, then those that deltas start from. */
  readonly kept: readonly [ShardSnapshot, ...ShardSnapshot[]];
  /** Undefined while the one in force stays. */
  readonly fresh: FreshSnapshot | undefined;
}

/** Makes the next snapshots of a shard as {@link nextSnapshots} does, beside the event loop where that takes long. */
export interface SnapshotMaker {
  next(...of: Parameters<typeof nextSnapshots>): Promise<ShardSnapshots>;
}

/** What must be published of a snapshot that is new, and cleared because of it. */
interface FreshSnapshot {
  /** Deltas to it, by the epoch they start from. */
  readonly deltas: ReadonlyMap<number, Uint8Array>;
  /** All there were before it, newest first. */
  readonly before: readonly ShardSnapshot[];
}

/**
 * The snapshots of a shard whose list and covered range are these. Made of the list itself, so that both always say the same;
 * the one there is stays while it would be the same octet for octet.
 */
export function nextSnapshots(
  before: readonly ShardSnapshot[],
  present: { readonly shard: ShardRecord; readonly list: CrlRecord; readonly epoch: number },
): ShardSnapshots {
  const { shard, list, epoch } = present;
  const [latest, ...older] = before;
  const size = shard.coveredTo;
  if (latest?.crlEpoch === list.epoch && latest.size === size) return { kept: [latest, ...older], fresh: undefined };
  const revoked = revokedIn(list, size);
  const bytes = encodeSnapshot(revoked);
  if (latest !== undefined && Buffer.compare(bytes, latest.bytes) === 0) {
    return { kept: [{ ...latest, crlEpoch: list.epoch }, ...older], fresh: undefined };
  }
  const bases = before.slice(0, bytes.length > largeSnapshot ? 1 : deltaBases);
  const deltas = deltasTo({ bytes, size }, bases);
  const made = { epoch, crlEpoch: list.epoch, size, revokedCount: revoked.count, bytes, deltaFrom: [...deltas.keys()] };
  return { kept: [made, ...bases], fresh: { deltas, before } };
}

/** What a head says of the newest snapshot. */
export function snapshotInHead({ kept: [latest] }: ShardSnapshots) {
  const { epoch, bytes, revokedCount, deltaFrom } = latest;
  return {
    revokedCount,
    snapshotEpoch: epoch,
    snapshotLength: bytes.length,
    snapshotSha256: sha256(bytes),
    deltaFrom,
  };
}

/** Publishes a snapshot that is new: keeps what later deltas start from, enqueues its parts and the deltas to it. */
export async function storeSnapshots(
  tx: Transaction,
  shard: ShardName,
  { kept, fresh }: ShardSnapshots,
): Promise<void> {
  const stored = kept.map(({ bytes, ...rest }) => ({ ...rest, base64: Buffer.from(bytes).toString("base64") }));
  await tx.settings.put(snapshotSetting(shard), JSON.stringify(stored));
  if (fresh !== undefined) await enqueueSnapshot(tx, shard, { latest: kept[0], deltas: fresh.deltas });
}

/** Enqueues again what is kept of the newest snapshot. */
export async function announceSnapshot(tx: Transaction, shard: ShardName): Promise<void> {
  const [latest, ...bases] = await readSnapshots(tx, shard);
  if (latest === undefined) return;
  const usable = bases.filter(({ epoch }) => latest.deltaFrom.includes(epoch));
  await enqueueSnapshot(tx, shard, { latest, deltas: deltasTo(latest, usable) });
}

/**
 * Clears what a newer snapshot has made useless: the deltas that end at the one before, and the parts of the one before that;
 * those of the one before stay for an agent that is in the middle of them.
 */
export async function clearSupersededSnapshots(
  tx: Transaction,
  { issuer, shard }: ShardName,
  { fresh }: ShardSnapshots,
): Promise<void> {
  const [previous, superseded] = fresh?.before ?? [];
  const clear = (topic: string) => tx.outbox.enqueue({ topic, payload: new Uint8Array(), retain: true });
  for (const from of previous?.deltaFrom ?? []) {
    await clear(formatTopic({ type: "delta", issuer, shard, from, to: previous?.epoch ?? 0 }));
  }
  if (superseded === undefined) return;
  for (const part of splitParts(superseded.bytes).keys()) {
    await clear(formatTopic({ type: "snapshot-part", issuer, shard, epoch: superseded.epoch, part }));
  }
}

/** Those of the last epoch published, newest first. */
export async function readSnapshots(tx: Transaction, shard: ShardName): Promise<ShardSnapshot[]> {
  const text = await tx.settings.find(snapshotSetting(shard));
  const stored = JSON.parse(text ?? "[]") as (Omit<ShardSnapshot, "bytes"> & { readonly base64: string })[];
  return stored.map(({ base64, ...rest }) => ({ ...rest, bytes: Uint8Array.from(Buffer.from(base64, "base64")) }));
}

type ShardName = Pick<ShardRecord, "issuer" | "shard">;

async function enqueueSnapshot(
  tx: Transaction,
  { issuer, shard }: ShardName,
  { latest, deltas }: { readonly latest: ShardSnapshot; readonly deltas: ReadonlyMap<number, Uint8Array> },
): Promise<void> {
  const { epoch, bytes } = latest;
  for (const [part, payload] of splitParts(bytes).entries()) {
    const topic = formatTopic({ type: "snapshot-part", issuer, shard, epoch, part });
    await tx.outbox.enqueue({ topic, payload, retain: true });
  }
  for (const [from, payload] of deltas) {
    const topic = formatTopic({ type: "delta", issuer, shard, from, to: epoch });
    await tx.outbox.enqueue({ topic, payload, retain: true });
  }
}

function revokedIn({ der, shard }: CrlRecord, size: number): IndexSet {
  const revoked = new IndexSet(size);
  parseCrl(der).revoked.eachSerial((bytes, start, length) => {
    const index = Serial.indexIn(bytes, start, { length, shard });
    if (index !== undefined && index < size) revoked.add(index);
  });
  return revoked;
}

/** Deltas that fit one message and are worth it. */
function deltasTo(
  target: Pick<ShardSnapshot, "bytes" | "size">,
  bases: readonly ShardSnapshot[],
): Map<number, Uint8Array> {
  if (target.bytes.length < leastSnapshotWithDeltas) return new Map();
  const to = decodeSnapshot(target.bytes, target.size);
  const deltas = new Map<number, Uint8Array>();
  for (const base of bases) {
    if (base.size > target.size) continue;
    const delta = encodeSnapshotDelta(decodeSnapshot(base.bytes, base.size), to);
    if (delta.length < target.bytes.length && delta.length <= crlPartBytes) deltas.set(base.epoch, delta);
  }
  return deltas;
}

const snapshotSetting = ({ issuer, shard }: ShardName): string => `snapshots/${issuer}/${shard}`;

/** Snapshots before the newest that a delta starts from. */
const deltaBases = 4;
/** Below this a delta, with its 32 octets of hash, saves nothing worth another topic. */
const leastSnapshotWithDeltas = 64;
/** From here on the store keeps one base only. */
const largeSnapshot = 256 * 1024;
