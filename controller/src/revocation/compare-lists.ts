import { FleetError, parseCrl } from "@fleetcert/shared";
import type { StoredList, Transaction } from "../store-port.ts";

/** What two epochs of an issuer differ in. */
export interface ListDifference {
  /** Serials that only the later of them lists, hex. */
  readonly added: readonly string[];
  /** Serials that only the earlier of them lists, hex. */
  readonly removed: readonly string[];
}

/** Compares what two epochs list. Throws `not-found` when one is yet to come, or its lists are not kept any more. */
export async function compareLists(
  tx: Transaction,
  { issuer, from, to }: { readonly issuer: string; readonly from: number; readonly to: number },
): Promise<ListDifference> {
  const newest = (await tx.epochs.latest(issuer))?.epoch ?? 0;
  if (Math.max(from, to) > newest) {
    throw new FleetError("not-found", `there is no epoch ${Math.max(from, to)} yet`, {
      hint: `the newest is ${newest}: fleetcert crl show`,
    });
  }
  const [before, after] = [await serialsAt(tx, issuer, from), await serialsAt(tx, issuer, to)];
  return { added: [...after.difference(before)], removed: [...before.difference(after)] };
}

/** The serials on an epoch's lists: of each shard the newest list not newer than the epoch. */
async function serialsAt(tx: Transaction, issuer: string, epoch: number): Promise<Set<string>> {
  const serials = new Set<string>();
  for (const { shard } of await tx.shards.listOf(issuer)) {
    const lists = await tx.crls.listOf(issuer, shard, storedLists);
    const kept = lists.find((list) => list.epoch <= epoch);
    const hasForgotten = lists.length === storedLists || (await tx.settings.find(forgottenSetting(issuer, shard)));
    // A shard that was opened later had no list then.
    if (kept === undefined && hasForgotten) {
      throw new FleetError("not-found", `the lists of epoch ${epoch} are not kept any more`, {
        hint: `the oldest list of shard ${shard} is of epoch ${lists.at(-1)?.epoch}`,
      });
    }
    const found = kept && (await tx.crls.find(issuer, shard, kept.epoch));
    if (found === undefined) continue;
    for (const { serial } of parseCrl(found.der).entries()) serials.add(serial.hex);
  }
  return serials;
}

/** Forgets lists of a shard that are too many, or too long together. Resolves with those that stay, newest first. */
export async function forgetOldLists(tx: Transaction, issuer: string, shard: number): Promise<readonly StoredList[]> {
  const lists = await tx.crls.listOf(issuer, shard, storedLists + 1);
  let octets = 0;
  const kept = lists.filter(({ length }, at) => {
    octets += length;
    return at < leastStored || (at < storedLists && octets <= storedOctets);
  });
  const oldest = kept.at(-1);
  if (oldest === undefined || kept.length === lists.length) return kept;
  await tx.crls.deleteBelow(issuer, shard, oldest.epoch);
  await tx.settings.put(forgottenSetting(issuer, shard), String(oldest.epoch));
  return kept;
}

const forgottenSetting = (issuer: string, shard: number): string => `forgotten-lists/${issuer}/${shard}`;

/** Lists of a shard that the store keeps at most, for comparing and as bases of patches and deltas. */
export const storedLists = 64;
/** And so many octets of them, but for the newest few: a list of a million entries has fifty million. */
const storedOctets = 256 * 1024 * 1024;
const leastStored = 4;
