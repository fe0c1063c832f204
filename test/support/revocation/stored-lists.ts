import type { CrlRecord, RevocationRecord } from "../../../controller/src/records.ts";
import type { RevocationPage, RevocationPlace, Transaction } from "../../../controller/src/store-port.ts";

/** Every revocation of a shard, or every one that waits, read page by page. */
export async function revocationsOf(
  tx: Transaction,
  { limit = 100, ...shard }: Omit<RevocationPage, "after" | "limit"> & { readonly limit?: number },
): Promise<RevocationRecord[]> {
  const rows: RevocationRecord[] = [];
  for (let after: RevocationPlace | undefined; ; ) {
    after = await tx.revocations.walk({ ...shard, after, limit }, (row) => rows.push({ ...row }));
    if (after === undefined) return rows;
  }
}

/** Lists of a shard with what they say, newest first. */
export async function listsOf(tx: Transaction, issuer: string, shard: number): Promise<CrlRecord[]> {
  const lists = (await tx.crls.listOf(issuer, shard, 1000)).map(({ epoch }) => tx.crls.find(issuer, shard, epoch));
  return (await Promise.all(lists)).filter((list) => list !== undefined);
}
