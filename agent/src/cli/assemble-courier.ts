import { claimSigner } from "../adapters/claim-signer.ts";
import type { Connection } from "../connection/connection.ts";
import type { DesiredKeeper } from "../connection/desired-keeper.ts";
import { SequenceBlocks } from "../connection/sequence-blocks.ts";
import { formatMessageId } from "../conversation/message-id.ts";
import { type Courier, openCourier } from "../courier/courier.ts";
import type { Incoming, TimeKeeper, TrustKeeper } from "../ports.ts";
import type { RenewalRunner } from "../renewal/runner.ts";
import { isErased } from "../renewal/slot-state.ts";
import type { AgentParts } from "./agent-parts.ts";
import type { Followers } from "./assemble-followers.ts";
import type { Services } from "./assemble-services.ts";
import { identityOf } from "./carried-identity.ts";
import { carriedSlot } from "./carried-slot.ts";
import { identitySlot, openCredential } from "./credential-actions.ts";

/** Wires the courier's duty to the duties of an agent that runs, with a network or without. */
export async function assembleCourier(
  parts: Pick<
    AgentParts,
    "identity" | "keys" | "attestor" | "store" | "surroundings" | "settings" | "claim" | "agentVersion"
  > & {
    readonly trust: TrustKeeper;
    readonly time: TimeKeeper;
    readonly desired: DesiredKeeper;
    readonly incoming: Incoming;
    readonly connection: Connection;
    readonly runner: RenewalRunner;
    readonly services: Pick<Services, "runners">;
    readonly followers: Followers;
  },
): Promise<Courier> {
  const { identity, keys, store, surroundings, time, followers, connection, desired, incoming, runner } = parts;
  const { random, log } = surroundings;
  const sequences = await SequenceBlocks.open(store, "courier");
  const common = { ...parts, identityCertificate: () => runner.state.current?.certificate };
  const identityInUse = async (credential: Parameters<typeof openCredential>[0]) =>
    connection.use(await openCredential(credential, keys));
  const serviceSlots = [...parts.services.runners].map(([slot, ofService]) =>
    carriedSlot({ ...common, slot, runner: ofService, use: async () => undefined }),
  );
  return openCourier({
    ...parts,
    ...identity,
    ...{ state: store, random, log, outbox: followers.outbox, revocation: followers.revocation },
    keepsLists: parts.settings.keepsLists,
    slots: [carriedSlot({ ...common, slot: identitySlot, use: identityInUse }), ...serviceSlots],
    identity: () => identityOf(parts),
    hasEnrolled: () => runner.state.current !== undefined || "next" in runner.state.journal || isGone(runner.state),
    async claim() {
      const { claimId, secret } = await parts.claim();
      return { claimId, signer: claimSigner(secret) };
    },
    nextCounter: () => sequences.next(),
    newMessageId: () => formatMessageId(time.estimate().at, random.bytes(10)),
    report: () => followers.report(),
    async desired(state, envelope) {
      const isNewer = await desired.accept(state, envelope);
      if (isNewer) await incoming.desired(state);
      if (isNewer && state.retire)
        await Promise.all([runner, ...parts.services.runners.values()].map((one) => one.until(isErased, patience)));
      return isNewer;
    },
    applied: () => void followers.carried(),
  });
}

/** A retired device has nothing to ask for. */
const isGone = ({ journal }: RenewalRunner["state"]): boolean => journal.at === "retired";
/** A token may be slow to forget its keys. */
const patience = 60_000;
