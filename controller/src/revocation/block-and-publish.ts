import type { Instant } from "@fleetcert/shared";
import type { Effect } from "../approval/approval.ts";
import type { EpochRecord } from "../records.ts";
import { noteBlocked } from "./propagation.ts";
import type { PublicationOptions } from "./publish-epoch.ts";
import type { RevocationParts } from "./revocation.ts";

/** Revocation with the publication that several callers share. */
export type PublishingParts = RevocationParts & {
  readonly publish: (options: PublicationOptions) => Promise<EpochRecord>;
};

/** Whose sessions end: a device's, or only those under one certificate. */
export interface EndedSession {
  readonly device: string;
  readonly certificateSha256?: string;
}

/** Drops the sessions at once, then publishes an epoch whose way to the agents is measured from the approval. */
export async function blockAndPublish(
  parts: PublishingParts,
  { sessions, at }: { readonly sessions: readonly EndedSession[]; readonly at: Instant },
): Promise<Effect> {
  const { surroundings, broker } = parts;
  let droppedSessions = 0;
  for (const { device, certificateSha256 } of sessions) {
    droppedSessions += await broker.dropSessions(device, certificateSha256);
  }
  const blockedAtBroker = surroundings.clock.now() - at;
  const followers = parts.followers();
  await followers?.beforePublish();
  const published = await parts.publish({ refreshAll: false, request: { requestedAt: at, blockedAtBroker } });
  const { epoch } = published;
  await followers?.afterPublish([...new Set(sessions.map(({ device }) => device))]);
  if (followers?.takesDevices !== true) return { droppedSessions, blockedAtBroker, epoch };
  // Only by its lists does that broker refuse, and before that it does not end sessions.
  const blockedByLists = surroundings.clock.now() - at;
  await parts.store.transaction((tx) => noteBlocked(tx, published, blockedByLists));
  return { droppedSessions, blockedAtBroker: blockedByLists, epoch };
}
