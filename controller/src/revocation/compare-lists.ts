import { FleetError, parseCrl } from "@fleetcert/shared";
import type { Transaction } from "../store-port.ts";

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
    const found = lists.find((list) => list.epoch <= epoch);
    // A shard that was opened later had no list then; one whose store is full has forgotten it.
    if (found === undefined && lists.length === storedLists) {
      throw new FleetError("not-found", `the lists of epoch ${epoch} are not kept any more`, {
        hint: `the oldest list of shard ${shard} is of epoch ${lists.at(-1)?.epoch}`,
      });
    }
    if (found === undefined) continue;
    for (const { serial } of parseCrl(found.der).entries()) serials.add(serial.hex);
  }
  return serials;
}

/** Lists of a shard that the store keeps, for comparing. */
export const storedLists = 64;
