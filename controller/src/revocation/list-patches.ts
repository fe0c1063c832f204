import { crlPartBytes, formatTopic } from "@fleetcert/proto";
import type { CrlRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import { storedLists } from "./compare-lists.ts";
import type { RevocationParts } from "./revocation.ts";

/** What leads from older lists of a shard to the one in force, octet for octet. */
export interface ListPatches {
  /** Epoch of the list they lead to. */
  readonly to: number;
  readonly from: readonly number[];
  /** Made just now, by the epoch they start from; undefined while they are on the broker already. */
  readonly made: ReadonlyMap<number, Uint8Array> | undefined;
  /** Those that lead to a list of before, to be cleared behind the head. */
  readonly superseded: PublishedPatches | undefined;
}

interface PublishedPatches {
  readonly to: number;
  readonly from: readonly number[];
}

/** The patches to a list: those published, or new ones when the list is new. */
export async function patchesTo(parts: RevocationParts, list: CrlRecord): Promise<ListPatches> {
  const known = await parts.store.transaction((tx) => readPublished(tx, list));
  if (known?.to === list.epoch) return { ...known, made: undefined, superseded: undefined };
  const made = await makePatches(parts, list);
  return { to: list.epoch, from: [...made.keys()], made, superseded: known };
}

/** Publishes new patches, in front of the head that names them. */
export async function storePatches(tx: Transaction, list: CrlRecord, { to, from, made }: ListPatches): Promise<void> {
  if (made === undefined) return;
  await enqueuePatches(tx, list, made);
  await tx.settings.put(settingOf(list), JSON.stringify({ to, from }));
}

/** Clears patches that lead to a list of before, behind the head that names others. */
export async function clearSupersededPatches(
  tx: Transaction,
  { issuer, shard }: Pick<CrlRecord, "issuer" | "shard">,
  { superseded }: ListPatches,
): Promise<void> {
  if (superseded === undefined) return;
  for (const from of superseded.from) {
    const topic = formatTopic({ type: "crl-patch", issuer, shard, from, to: superseded.to });
    await tx.outbox.enqueue({ topic, payload: new Uint8Array(), retain: true });
  }
}

/** Enqueues the patches of the present list again: made anew, they lead to the same octets. */
export async function announcePatches(parts: RevocationParts, list: CrlRecord): Promise<void> {
  const made = await makePatches(parts, list);
  await parts.store.transaction(async (tx) => {
    const known = await readPublished(tx, list);
    const named = [...made].filter(([from]) => known?.to === list.epoch && known.from.includes(from));
    await enqueuePatches(tx, list, new Map(named));
  });
}

/** Only those that fit one message and save more than half of the list. */
async function makePatches({ store, patcher }: RevocationParts, list: CrlRecord): Promise<Map<number, Uint8Array>> {
  const made = new Map<number, Uint8Array>();
  const { issuer, shard, der } = list;
  if (der.length < leastListWithPatches) return made;
  const lists = await store.transaction((tx) => tx.crls.listOf(issuer, shard, storedLists));
  const older = lists.filter(({ epoch }) => epoch < list.epoch);
  const steps = der.length > largeList ? [1] : stepsBack;
  for (const step of steps) {
    const known = older[step - 1];
    if (known === undefined || known.length + der.length >= largestWithPatches) continue;
    const base = await store.transaction((tx) => tx.crls.find(issuer, shard, known.epoch));
    if (base === undefined) continue;
    const patch = await patcher.make(base.der, der);
    if (patch.length <= crlPartBytes && patch.length < der.length / 2) made.set(base.epoch, patch);
  }
  return made;
}

async function enqueuePatches(
  tx: Transaction,
  { issuer, shard, epoch: to }: CrlRecord,
  patches: ReadonlyMap<number, Uint8Array>,
): Promise<void> {
  for (const [from, payload] of patches) {
    await tx.outbox.enqueue({
      topic: formatTopic({ type: "crl-patch", issuer, shard, from, to }),
      payload,
      retain: true,
    });
  }
}

async function readPublished(
  tx: Transaction,
  list: Pick<CrlRecord, "issuer" | "shard">,
): Promise<PublishedPatches | undefined> {
  const text = await tx.settings.find(settingOf(list));
  return text === undefined ? undefined : (JSON.parse(text) as PublishedPatches);
}

const settingOf = ({ issuer, shard }: Pick<CrlRecord, "issuer" | "shard">): string => `patches/${issuer}/${shard}`;

/** The list before for whoever is always there; older ones for who was away a night or a week of quiet days. */
const stepsBack = [1, 2, 3, 7, 24];
/** Below this the list itself is hardly more than one patch. */
const leastListWithPatches = 2048;
/** From here on a patch takes a core long enough that one must do: 0.2 s at 5 MB. */
const largeList = 1024 * 1024;
/** What a decoder's window of 32 MiB holds. */
const largestWithPatches = 32 * 1024 * 1024;
