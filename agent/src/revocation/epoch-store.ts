import { decodeBodyAtRest, encodeBodyAtRest, type HeadShard, type RevocationHead, type Via } from "@fleetcert/proto";
import {
  type CertificateRevocationList,
  decodeSnapshot,
  FleetError,
  type IndexSet,
  type Instant,
  isFleetError,
  parseCrl,
} from "@fleetcert/shared";
import type { StateStore } from "../ports.ts";
import { deleteTwin, putTwin, readTwin } from "../twin/twin-record.ts";
import { type HeldEpoch, hasSnapshot } from "./held-epoch.ts";

/*
 * Layout: `revocation/head/<issuer>` is the epoch in force; `revocation/snapshot/<issuer>/<sha256>` and
 * `revocation/list/<issuer>/<sha256>` what it names. Snapshots and lists are stored first, under their hash; writing the head is
 * the one step by which an epoch takes effect, and removes what it no longer needs. Every record is kept twice with its checksum.
 */

/** The issuers of which an epoch is stored. */
export async function storedIssuers(state: StateStore): Promise<string[]> {
  const keys = await state.keys(headPrefix, maxKeys);
  return [...new Set(keys.map((key) => key.slice(headPrefix.length).split("/")[0] ?? ""))];
}

/**
 * The epoch in force, with every snapshot and list that is sound; damaged copies are healed from their twin. Throws `store-corrupt` when
 * both copies of the head are damaged.
 */
export async function readHeld(state: StateStore, issuer: string): Promise<HeldEpoch | undefined> {
  const bytes = await readTwin(state, headPrefix + issuer);
  if (bytes === undefined) return undefined;
  const stored = decodeStored(bytes);
  const lists = new Map<number, CertificateRevocationList>();
  const snapshots = new Map<number, IndexSet>();
  for (const shard of stored.head.shards) {
    const der = await readList(state, issuer, shard);
    if (der !== undefined) lists.set(shard.shard, parseCrl(der));
    const snapshot = hasSnapshot(shard) ? await readSnapshot(state, issuer, shard) : undefined;
    if (snapshot !== undefined) snapshots.set(shard.shard, decodeSnapshot(snapshot, shard.coveredTo));
  }
  return { ...stored, lists, snapshots };
}

/** A stored list, undefined when there is none or both copies are damaged. */
export function readList(state: StateStore, issuer: string, shard: HeadShard): Promise<Uint8Array | undefined> {
  return readSound(state, listName(issuer, shard));
}

/** A stored snapshot, undefined when there is none or both copies are damaged. */
export function readSnapshot(state: StateStore, issuer: string, shard: HeadShard): Promise<Uint8Array | undefined> {
  return readSound(state, snapshotName(issuer, shard));
}

async function readSound(state: StateStore, name: string): Promise<Uint8Array | undefined> {
  try {
    return await readTwin(state, name);
  } catch (error) {
    if (isFleetError(error, "store-corrupt")) return undefined;
    throw error;
  }
}

/** Keeps a verified list of a shard; it is not in force yet. */
export async function writeList(
  state: StateStore,
  issuer: string,
  stored: { shard: HeadShard; der: Uint8Array },
): Promise<void> {
  await state.write(putTwin(listName(issuer, stored.shard), stored.der));
}

/** Keeps a verified snapshot of a shard; it is not in force yet. */
export async function writeSnapshot(
  state: StateStore,
  issuer: string,
  stored: { shard: HeadShard; bytes: Uint8Array },
): Promise<void> {
  await state.write(putTwin(snapshotName(issuer, stored.shard), stored.bytes));
}

/** Puts an epoch in force, atomically; what it holds must be stored. */
export async function switchTo(state: StateStore, held: HeldEpoch): Promise<void> {
  const { issuer, shards } = held.head;
  const needed = shards.flatMap((shard) => [
    ...(held.lists.has(shard.shard) ? [listName(issuer, shard)] : []),
    ...(held.snapshots.has(shard.shard) ? [snapshotName(issuer, shard)] : []),
  ]);
  const unneeded = await storedBut(state, issuer, needed);
  await state.write([...putTwin(headPrefix + issuer, encodeStored(held)), ...unneeded.flatMap(deleteTwin)]);
}

/** Removes what none of the heads names: leftovers of epochs that were never put in force. */
export async function dropUnneeded(state: StateStore, issuer: string, heads: readonly RevocationHead[]): Promise<void> {
  const named = heads.flatMap(({ shards }) => shards);
  const needed = named.flatMap((shard) => [listName(issuer, shard), snapshotName(issuer, shard)]);
  const unneeded = await storedBut(state, issuer, needed);
  if (unneeded.length > 0) await state.write(unneeded.flatMap(deleteTwin));
}

/** Names of the stored snapshots and lists of an issuer that are not among those needed. */
async function storedBut(state: StateStore, issuer: string, needed: readonly string[]): Promise<string[]> {
  const keys = [
    ...(await state.keys(`${listPrefix}${issuer}/`, maxKeys)),
    ...(await state.keys(`${snapshotPrefix}${issuer}/`, maxKeys)),
  ];
  const names = new Set(keys.map((key) => key.slice(0, key.lastIndexOf("/"))));
  const kept = new Set(needed);
  return [...names].filter((name) => !kept.has(name));
}

function encodeStored({ head, headSha256, appliedAt, via }: HeldEpoch): Uint8Array {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  const body = encodeBodyAtRest({ type: "head", ...head });
  return Buffer.from(JSON.stringify({ head: base64(body), headSha256: base64(headSha256), appliedAt, via }));
}

function decodeStored(bytes: Uint8Array): Omit<HeldEpoch, "lists" | "snapshots"> {
  const stored = JSON.parse(Buffer.from(bytes).toString()) as Stored;
  const body = decodeBodyAtRest(Buffer.from(stored.head, "base64"));
  if (body.type !== "head")
    throw new FleetError("store-corrupt", "the stored revocation head is a message of another type");
  const { type: _, ...head } = body;
  const { appliedAt, via } = stored;
  return { head, headSha256: Uint8Array.from(Buffer.from(stored.headSha256, "base64")), appliedAt, via };
}

interface Stored {
  readonly head: string;
  readonly headSha256: string;
  readonly appliedAt: Instant;
  readonly via: Via;
}

function listName(issuer: string, { crlSha256 }: HeadShard): string {
  return `${listPrefix}${issuer}/${Buffer.from(crlSha256).toString("hex")}`;
}

function snapshotName(issuer: string, { snapshotSha256 }: HeadShard): string {
  return `${snapshotPrefix}${issuer}/${Buffer.from(snapshotSha256).toString("hex")}`;
}

const headPrefix = "revocation/head/";
const listPrefix = "revocation/list/";
const snapshotPrefix = "revocation/snapshot/";
/** 512 shards, two copies, two epochs; and leftovers. */
const maxKeys = 8192;
