import { decodeBodyAtRest, encodeBodyAtRest, type HeadShard, type RevocationHead, type Via } from "@fleetcert/proto";
import { type CertificateRevocationList, FleetError, type Instant, isFleetError, parseCrl } from "@fleetcert/shared";
import type { StateStore } from "../ports.ts";
import { deleteTwin, putTwin, readTwin } from "../twin/twin-record.ts";
import type { HeldEpoch } from "./held-epoch.ts";

/*
 * Layout: `revocation/head/<issuer>` is the epoch in force; `revocation/list/<issuer>/<sha256>` the lists it names. Lists are
 * stored first, under their hash; writing the head is the one step by which an epoch takes effect, and removes what it no
 * longer needs. Every record is kept twice with its checksum.
 */

/** The issuers of which an epoch is stored. */
export async function storedIssuers(state: StateStore): Promise<string[]> {
  const keys = await state.keys(headPrefix, maxKeys);
  return [...new Set(keys.map((key) => key.slice(headPrefix.length).split("/")[0] ?? ""))];
}

/**
 * The epoch in force, with every list that is sound; damaged copies are healed from their twin. Throws `store-corrupt` when
 * both copies of the head are damaged.
 */
export async function readHeld(state: StateStore, issuer: string): Promise<HeldEpoch | undefined> {
  const bytes = await readTwin(state, headPrefix + issuer);
  if (bytes === undefined) return undefined;
  const stored = decodeStored(bytes);
  const lists = new Map<number, CertificateRevocationList>();
  for (const shard of stored.head.shards) {
    const der = await readList(state, issuer, shard);
    if (der !== undefined) lists.set(shard.shard, parseCrl(der));
  }
  return { ...stored, lists };
}

/** A stored list, undefined when there is none or both copies are damaged. */
export async function readList(state: StateStore, issuer: string, shard: HeadShard): Promise<Uint8Array | undefined> {
  try {
    return await readTwin(state, listName(issuer, shard));
  } catch (error) {
    if (isFleetError(error, "store-corrupt")) return undefined;
    throw error;
  }
}

export async function writeList(
  state: StateStore,
  issuer: string,
  stored: { shard: HeadShard; der: Uint8Array },
): Promise<void> {
  await state.write(putTwin(listName(issuer, stored.shard), stored.der));
}

/** Puts an epoch in force, atomically; its lists must be stored. */
export async function switchTo(state: StateStore, held: HeldEpoch): Promise<void> {
  const { issuer } = held.head;
  const unneeded = await unneededLists(state, issuer, [held.head]);
  await state.write([...putTwin(headPrefix + issuer, encodeStored(held)), ...unneeded.flatMap(deleteTwin)]);
}

/** Removes lists that none of the heads names: leftovers of epochs that were never put in force. */
export async function dropUnneeded(state: StateStore, issuer: string, heads: readonly RevocationHead[]): Promise<void> {
  const unneeded = await unneededLists(state, issuer, heads);
  if (unneeded.length > 0) await state.write(unneeded.flatMap(deleteTwin));
}

async function unneededLists(state: StateStore, issuer: string, heads: readonly RevocationHead[]): Promise<string[]> {
  const needed = new Set(heads.flatMap(({ shards }) => shards.map((shard) => listName(issuer, shard))));
  const keys = await state.keys(`${listPrefix}${issuer}/`, maxKeys);
  const names = new Set(keys.map((key) => key.slice(0, key.lastIndexOf("/"))));
  return [...names].filter((name) => !needed.has(name));
}

function encodeStored({ head, headSha256, appliedAt, via }: HeldEpoch): Uint8Array {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  const body = encodeBodyAtRest({ type: "head", ...head });
  return Buffer.from(JSON.stringify({ head: base64(body), headSha256: base64(headSha256), appliedAt, via }));
}

function decodeStored(bytes: Uint8Array): Omit<HeldEpoch, "lists"> {
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

const headPrefix = "revocation/head/";
const listPrefix = "revocation/list/";
/** 512 shards, two copies, two epochs; and leftovers. */
const maxKeys = 8192;
