import type { HeadShard, RevocationHead } from "@fleetcert/proto";
import { IndexSet } from "@fleetcert/shared";
import { hasSnapshot } from "./held-epoch.ts";
import { RevocationRefusal } from "./refusal.ts";

/**
 * Whether a head, whose signature is verified, may follow the one held. Heads are ordered by (era, epoch); within an era no
 * shard may go back to an older list. A higher era may lower everything: a root has announced it.
 * Throws a {@link RevocationRefusal}.
 */
export function judgeHead(offered: RevocationHead, held: RevocationHead | undefined): "newer" | "same" {
  requireSound(offered);
  if (held === undefined) return "newer";
  const order = offered.era - held.era || offered.epoch - held.epoch;
  const position = `epoch ${offered.era}.${offered.epoch}, ${held.era}.${held.epoch} is held`;
  if (order < 0) throw new RevocationRefusal("rollback", `the head offers ${position}`);
  if (order === 0 && !isSameContent(offered, held)) {
    throw new RevocationRefusal("fork", `another head of the same epoch: it offers ${position}`);
  }
  if (offered.era === held.era) for (const shard of offered.shards) requireNotOlder(shard, held);
  return order === 0 ? "same" : "newer";
}

function requireSound(head: RevocationHead): void {
  const malformed = (why: string): RevocationRefusal =>
    new RevocationRefusal("malformed", `head ${head.era}.${head.epoch}: ${why}`);
  if (head.thisUpdate >= head.nextUpdate) throw malformed("it ends before it begins");
  if (new Set(head.shards.map(({ shard }) => shard)).size < head.shards.length) throw malformed("a shard stands twice");
  for (const row of head.shards) {
    const { shard, coveredFrom, coveredTo, crlEpoch, crlLength, crlSha256 } = row;
    if (coveredFrom > coveredTo) throw malformed(`shard ${shard} covers a range that ends before it begins`);
    if (crlEpoch > head.epoch) throw malformed(`shard ${shard} has a list of epoch ${crlEpoch}`);
    if (crlLength === 0 || crlSha256.length === 0) throw malformed(`shard ${shard} has no list`);
    if (hasSnapshot(row)) requireSoundSnapshot(row, (why) => malformed(`shard ${shard} ${why}`), head.epoch);
  }
  const bytes = head.shards.reduce((sum, { crlLength }) => sum + crlLength, 0);
  if (bytes > maxIssuerBytes) {
    throw new RevocationRefusal("too-large", `the lists of one issuer have ${bytes} bytes, limit ${maxIssuerBytes}`);
  }
}

/** A snapshot never has more bits than its shard has indices (docs/snapshot-format.md), whatever a head promises. */
function requireSoundSnapshot(
  { coveredFrom, coveredTo, snapshotEpoch, snapshotLength }: HeadShard,
  malformed: (why: string) => RevocationRefusal,
  epoch: number,
): void {
  if (snapshotEpoch > epoch) throw malformed(`has a snapshot of epoch ${snapshotEpoch}`);
  if (coveredFrom !== 0 || coveredTo > IndexSet.maxSize) throw malformed("has a range no snapshot can cover");
  if (snapshotLength < 1 || snapshotLength > coveredTo / 8 + snapshotOverhead) {
    throw malformed(`has a snapshot of ${snapshotLength} bytes for ${coveredTo} indices`);
  }
}

/** What heads say; shards may stand in any order. */
function isSameContent(a: RevocationHead, b: RevocationHead): boolean {
  if (a.thisUpdate !== b.thisUpdate || a.nextUpdate !== b.nextUpdate || a.shards.length !== b.shards.length)
    return false;
  return a.shards.every((shard) => {
    const other = b.shards.find((one) => one.shard === shard.shard);
    return other !== undefined && textOf(shard) === textOf(other);
  });
}

function textOf({ crlSha256, snapshotSha256, ...rest }: HeadShard): string {
  const numbers = Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([numbers, hex(crlSha256), hex(snapshotSha256)]);
}

function requireNotOlder(offered: HeadShard, held: RevocationHead): void {
  const before = held.shards.find(({ shard }) => shard === offered.shard);
  if (before === undefined) return;
  const versions = ({ crlEpoch, crlSha256, snapshotEpoch, snapshotSha256 }: HeadShard) => ({
    list: { epoch: crlEpoch, hash: hex(crlSha256) },
    snapshot: { epoch: snapshotEpoch, hash: hex(snapshotSha256) },
  });
  const both = hasSnapshot(offered) && hasSnapshot(before);
  for (const what of both ? (["list", "snapshot"] as const) : (["list"] as const)) {
    const [now, then] = [versions(offered)[what], versions(before)[what]];
    const isOther = now.epoch === then.epoch && now.hash !== then.hash;
    if (now.epoch >= then.epoch && !isOther) continue;
    throw new RevocationRefusal(
      "mix",
      `shard ${offered.shard} would get ${isOther ? "another" : "the"} ${what} of epoch ${now.epoch}, that of ${then.epoch} is held`,
    );
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** All lists of one issuer are held in memory and twice on the disk. */
const maxIssuerBytes = 128 * 1024 * 1024;
/** Frame, code, parameter and count. */
const snapshotOverhead = 16;
