import type { HeadShard, Topic } from "@fleetcert/proto";
import {
  type Certificate,
  type CertificateRevocationList,
  FleetError,
  type IndexSet,
  isFleetError,
} from "@fleetcert/shared";
import { zstdListPatches } from "../../../agent/src/adapters/zstd-list-patches.ts";
import type { HeldEpoch } from "../../../agent/src/revocation/held-epoch.ts";
import { obtainShard } from "../../../agent/src/revocation/obtain-shard.ts";

/** A head's row of shard 1 that names neither snapshot nor list until it is told so. */
export function aHeadShard(some: Partial<HeadShard> = {}): HeadShard {
  return {
    ...{ shard: 1, coveredFrom: 0, coveredTo: 1024, revokedCount: 0, deltaFrom: [], crlPatchFrom: [] },
    ...{ crlEpoch: 0, crlLength: 0, crlSha256: new Uint8Array() },
    ...{ snapshotEpoch: 0, snapshotLength: 0, snapshotSha256: new Uint8Array() },
    ...some,
  };
}

/**
 * What a device comes to hold of a shard where a broker offers one delta or one patch and nothing else: neither when the offer
 * is refused, for the whole does not come. Throws whatever else goes wrong.
 */
export async function obtained(step: {
  readonly before: { readonly row: HeadShard; readonly snapshot?: IndexSet; readonly list?: CertificateRevocationList };
  readonly shard: HeadShard;
  readonly offered: { readonly delta?: Uint8Array; readonly patch?: Uint8Array };
  readonly certificate?: Certificate;
}): Promise<{ readonly snapshot?: IndexSet | undefined; readonly list?: CertificateRevocationList | undefined }> {
  const { before, shard, offered } = step;
  const fetch = async ([topic]: readonly Topic[]): Promise<Uint8Array[]> => {
    if (topic?.type === "delta" && offered.delta !== undefined) return [offered.delta];
    if (topic?.type === "crl-patch" && offered.patch !== undefined) return [offered.patch];
    throw new FleetError("timeout", "nothing came", { retry: true });
  };
  const held = {
    head: { shards: [before.row] },
    snapshots: new Map(before.snapshot && [[1, before.snapshot]]),
    lists: new Map(before.list && [[1, before.list]]),
  };
  const source = {
    state: { read: async () => undefined, keys: async () => [], write: async () => undefined },
    retained: { fetch, fetchKept: fetch },
    log: silent,
    patches: zstdListPatches,
    issuer: "a".repeat(64),
    certificate: step.certificate as Certificate,
    before: held as unknown as HeldEpoch,
    keepsLists: before.list !== undefined,
    signal: new AbortController().signal,
  };
  try {
    return await obtainShard(source, shard);
  } catch (error) {
    // The whole was asked for and did not come.
    if (isFleetError(error, "timeout")) return { snapshot: undefined };
    throw error;
  }
}

const ignore = (): void => undefined;
const silent = { info: ignore, warn: ignore, error: ignore };
