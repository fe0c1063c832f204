import {
  type CertificateRevocationList,
  CrlEntries,
  CrlEntryBuffer,
  FleetError,
  type ReasonCode,
  Serial,
} from "@fleetcert/shared";
import type { RevocationRecord } from "../records.ts";
import type { RevocationPlace, Store, Transaction } from "../store-port.ts";
import { reasonOf } from "./record-revocation.ts";

/**
 * Hands over every revocation of a shard in order of index, page by page, each page in a transaction of its own: devices are
 * answered in between. The row is only valid within the call. What changes behind the walk has epoch 0 and waits.
 */
export async function walkShard(
  store: Store,
  shard: { readonly issuer: string; readonly shard: number },
  take: (row: RevocationRecord) => void,
): Promise<void> {
  for (let after: RevocationPlace | undefined; ; ) {
    const page = { ...shard, after, limit: pageLimit };
    after = await store.transaction((tx) => tx.revocations.walk(page, take));
    if (after === undefined) return;
  }
}

/**
 * Gives the list's epoch to every row of its shard that waits and is told by the list as it stands: what was revoked, lifted,
 * held again or made final while the list was being signed waits for the next one.
 */
export async function markPublished(
  tx: Transaction,
  { issuer, shard, epoch }: { readonly issuer: string; readonly shard: number; readonly epoch: number },
  list: CertificateRevocationList,
): Promise<void> {
  const different: string[] = [];
  for (let after: RevocationPlace | undefined; ; ) {
    const named = new CrlEntryBuffer();
    let last: RevocationPlace | undefined;
    after = await tx.revocations.walk({ issuer, shard, isWaiting: true, after, limit: pageLimit }, (row) => {
      last = { index: row.index, serial: row.serial };
      if (row.liftedAt === undefined) named.add(entryOf(row));
      else if (list.find(Serial.parse(row.serial)) !== undefined) different.push(row.serial);
    });
    for (const { serial } of new CrlEntries(named.content).notIn(list.revoked)) different.push(serial.hex);
    if (last !== undefined) await tx.revocations.markPublished({ issuer, shard }, last, epoch);
    if (after === undefined) break;
  }
  for (const serial of different) {
    const row = await tx.revocations.find(issuer, serial);
    if (row === undefined)
      throw new FleetError("internal", `the revocation of ${serial} was just read and is not there`);
    await tx.revocations.put({ ...row, epoch: 0 });
  }
}

/** The row as a list says it: the very same object, for there may be a million. Throws `internal` for an unknown reason. */
export function entryOf(row: RevocationRecord): Parameters<CrlEntryBuffer["add"]>[0] {
  reasonOf(row);
  return row as RevocationRecord & { readonly reason: ReasonCode };
}

/** Rows of one page: some milliseconds. */
const pageLimit = 4096;
