import fc from "fast-check";
import { type CrashingStateStore, PowerCut } from "../agent/crashing-state-store.ts";
import type { PublishedHead, RevocationWorld } from "../revocation/revocation-world.ts";

/** One offer of a hostile broker: which epoch, which topic is kept back if one is, and when the power goes if it does. */
export interface HostileOffer {
  /** Index into the published epochs. */
  readonly epoch: number;
  readonly cut: { readonly inWrites: number; readonly afterDisk: boolean } | null;
  readonly keptBack: number | null;
}

/** Offers of so many epochs, cut within at most so many writes. */
export function hostileOffers(limits: { readonly epochs: number; readonly writes: number }) {
  const cut = fc.record({ inWrites: fc.integer({ min: 1, max: limits.writes }), afterDisk: fc.boolean() });
  return {
    epoch: fc.nat(limits.epochs - 1),
    cut: fc.option(cut, { freq: 2 }),
    keptBack: fc.option(fc.nat(), { freq: 3 }),
  };
}

/** Makes the offer from the shelf of all epochs; resolves with whether the device has to be started again. */
export async function offer(
  world: RevocationWorld,
  device: Pick<Awaited<ReturnType<RevocationWorld["device"]>>, "cache"> & { readonly disk: CrashingStateStore },
  made: HostileOffer & {
    readonly published: readonly PublishedHead[];
    readonly shelf: ReadonlyMap<string, Uint8Array>;
  },
): Promise<boolean> {
  const { published, shelf, epoch, cut, keptBack } = made;
  world.shelf.clear();
  for (const [topic, bytes] of shelf) world.shelf.set(topic, bytes);
  if (keptBack !== null) world.shelf.delete([...shelf.keys()][keptBack % shelf.size] as string);
  if (cut !== null) device.disk.cutPower(cut);
  const wasCut = await world.apply(device.cache, published[epoch] as PublishedHead).then(
    () => false,
    (error: unknown) => error instanceof PowerCut,
  );
  return wasCut || cut !== null;
}
