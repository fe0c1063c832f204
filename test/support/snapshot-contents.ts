import { formatTopic } from "@fleetcert/proto";
import type { RevocationWorld, ShardContent } from "./revocation-world.ts";

/** Enough revoked indices for deltas to be worth their topic. */
export const many = Array.from({ length: 60 }, (_, index) => index * 13);

/** A device that follows snapshots and keeps no lists. */
export function aSnapshotDevice(world: RevocationWorld, options: Parameters<RevocationWorld["device"]>[0] = {}) {
  return world.device({ keepsLists: false, ...options });
}

/** Publishes shard 1 with a snapshot of the epoch. */
export function publishSnapshot(
  world: RevocationWorld,
  epoch: number,
  { revoked = many, ...more }: Partial<ShardContent> = {},
) {
  return world.publish(epoch, [{ shard: 1, revoked, snapshotEpoch: epoch, ...more }]);
}

/** Topic of the first part of shard 1's snapshot. */
export function snapshotTopic(world: RevocationWorld, epoch: number): string {
  return formatTopic({ type: "snapshot-part", issuer: world.issuer.id, shard: 1, epoch, part: 0 });
}

/** 0, 1, 2 … */
export function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}
