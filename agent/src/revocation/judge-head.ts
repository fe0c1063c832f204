import type { HeadShard, RevocationHead } from "@fleetcert/proto";
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
  for (const { shard, coveredFrom, coveredTo, crlEpoch, crlLength, crlSha256 } of head.shards) {
    if (coveredFrom > coveredTo) throw malformed(`shard ${shard} covers a range that ends before it begins`);
    if (crlEpoch > head.epoch) throw malformed(`shard ${shard} has a list of epoch ${crlEpoch}`);
    if (crlLength === 0 || crlSha256.length === 0) throw malformed(`shard ${shard} has no list`);
  }
  const bytes = head.shards.reduce((sum, { crlLength }) => sum + crlLength, 0);
  if (bytes > maxIssuerBytes) {
    throw new RevocationRefusal("too-large", `the lists of one issuer have ${bytes} bytes, limit ${maxIssuerBytes}`);
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
  const isOlder = offered.crlEpoch < before.crlEpoch;
  const isOther = offered.crlEpoch === before.crlEpoch && hex(offered.crlSha256) !== hex(before.crlSha256);
  if (!isOlder && !isOther) return;
  throw new RevocationRefusal(
    "mix",
    `shard ${offered.shard} would get ${isOlder ? "the" : "another"} list of epoch ${offered.crlEpoch}, that of ${before.crlEpoch} is held`,
  );
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** All lists of one issuer are held in memory and twice on the disk. */
const maxIssuerBytes = 128 * 1024 * 1024;
