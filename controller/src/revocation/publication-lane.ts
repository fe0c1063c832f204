import type { EpochRecord } from "../records.ts";
import { Turns } from "../turns.ts";
import { isPublicationDue, mergeOptions, type PublicationOptions, publishEpoch } from "./publish-epoch.ts";
import type { IssuerParts } from "./revocation.ts";

/** The publications of one issuer, which follow each other. */
export interface PublicationLane {
  readonly parts: IssuerParts;
  publish(options?: PublicationOptions): Promise<EpochRecord>;
  publishIfDue(options: { readonly isStarting: boolean }): Promise<EpochRecord | undefined>;
}

/** Opens the lane of the issuer in the parts. */
export function openLane(parts: IssuerParts): PublicationLane {
  const turns = new Turns({ maxWaiting: 256 });
  /** A publication that has not begun serves everybody who asks meanwhile: what they revoked is stored already. */
  let next: { options: PublicationOptions; readonly published: Promise<EpochRecord> } | undefined;
  return {
    parts,
    publish(options = { refreshAll: false }) {
      if (next !== undefined) {
        next.options = mergeOptions(next.options, options);
        return next.published;
      }
      const published = turns.take("publish", async () => {
        const wanted = next?.options ?? options;
        next = undefined;
        return await publishEpoch(parts, wanted);
      });
      next = { options, published };
      // One that could not even queue up must not be waited for by the next.
      published.catch(() => {
        if (next?.published === published) next = undefined;
      });
      return published;
    },
    publishIfDue: (options) =>
      turns.take("publish", async () => {
        const due = await isPublicationDue(parts, options);
        return due === undefined ? undefined : await publishEpoch(parts, due);
      }),
  };
}
