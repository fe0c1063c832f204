import { type CourierPart, decodeEnvelope, decodeMessage, type HeadShard, splitParts } from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";
import type { Transaction } from "../store-port.ts";
import type { IssuerParts } from "./revocation.ts";
import { readSnapshots } from "./shard-snapshots.ts";

/**
 * The present epoch as a courier takes it to a device without network: what the retained topics hold of its snapshots, with the
 * lists where they are wanted, and the head last. Empty before the first publication.
 */
export async function carriedEpoch(
  { store, authority }: Pick<IssuerParts, "store" | "authority">,
  { withLists }: { readonly withLists: boolean },
): Promise<CourierPart[]> {
  const issuer = authority.id;
  return await store.transaction(async (tx) => {
    const latest = await tx.epochs.latest(issuer);
    if (latest === undefined) return [];
    const parts: CourierPart[] = [];
    for (const shard of shardsOf(latest.head)) {
      parts.push(...(await carriedSnapshot(tx, issuer, shard)));
      if (withLists || shard.snapshotLength === 0) parts.push(...(await carriedList(tx, issuer, shard)));
    }
    return [...parts, { topic: { type: "head", issuer }, payload: latest.head }];
  });
}

async function carriedSnapshot(tx: Transaction, issuer: string, { shard, snapshotEpoch: epoch }: HeadShard) {
  const snapshot = (await readSnapshots(tx, { issuer, shard })).find((one) => one.epoch === epoch);
  if (snapshot === undefined) return [];
  return splitParts(snapshot.bytes).map(
    (payload, part): CourierPart => ({ topic: { type: "snapshot-part", issuer, shard, epoch, part }, payload }),
  );
}

async function carriedList(tx: Transaction, issuer: string, { shard, crlEpoch: epoch }: HeadShard) {
  const list = await tx.crls.latest(issuer, shard);
  if (list?.epoch !== epoch) return [];
  return splitParts(list.der).map(
    (payload, part): CourierPart => ({ topic: { type: "crl-part", issuer, shard, epoch, part }, payload }),
  );
}

function shardsOf(envelope: Uint8Array): readonly HeadShard[] {
  const { body } = decodeMessage(decodeEnvelope(envelope).payload);
  if (body.type === "head") return body.shards;
  throw new FleetError("store-corrupt", "the stored revocation head is something else");
}
