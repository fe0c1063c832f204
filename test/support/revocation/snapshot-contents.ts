import { formatTopic } from "@fleetcert/proto";
import type { RevocationWorld, ShardContent } from "./revocation-world.ts";

/** Enough revoked indices for deltas to be worth their topic. */
export const many = Array.from({ length: 60 }, (_, index) => index * 13);

/** What a world publishes as snapshots of shard 1, and the devices that follow them. */
export function snapshotsOf(world: RevocationWorld) {
  return {
    /** A device that keeps no lists. */
    aDevice: (options: Parameters<RevocationWorld["device"]>[0] = {}) =>
      world.device({ keepsLists: false, ...options }),
    /** The shard with a snapshot that may be of another epoch than its head. */
    shardAt: (snapshotEpoch: number, revoked: readonly number[] = many): ShardContent[] => [
      { shard: 1, revoked, snapshotEpoch },
    ],
    /** Publishes the shard with a snapshot of the epoch. */
    publish: (epoch: number, revoked: readonly number[] = many, more: Partial<ShardContent> = {}) =>
      world.publish(epoch, [{ shard: 1, revoked, snapshotEpoch: epoch, ...more }]),
  };
}

/** Topic of the first part of shard 1's snapshot. */
export function snapshotTopic(world: RevocationWorld, epoch: number): string {
  return formatTopic({ type: "snapshot-part", issuer: world.issuer.id, shard: 1, epoch, part: 0 });
}

/** 0, 1, 2 … */
export function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}
