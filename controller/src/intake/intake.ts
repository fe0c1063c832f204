import type { Body } from "@fleetcert/proto";
import type { Duration } from "@fleetcert/shared";
import type { BrokerEvents, BundleIntake, MessageHandlers, MessageSealer, Surroundings } from "../ports.ts";
import type { Store } from "../store-port.ts";
import { Turns } from "../turns.ts";
import { authenticateBootstrap, authenticateOperational } from "./authenticate.ts";
import { receiveBundle } from "./receive-bundle.ts";
import { receiveMessage } from "./receive-message.ts";
import { RefusalBudget } from "./refusal-budget.ts";
import { auditRefusal } from "./refuse-peer.ts";

/** What intake works with. */
export interface IntakeParts {
  readonly store: Store;
  readonly surroundings: Surroundings;
  readonly sealer: MessageSealer;
  /** Envelopes of the trust bundles from the pinned root to the one in force. */
  readonly trustWalk: () => readonly Uint8Array[];
  /** Every root that certificates of ours may lead to, DER. */
  readonly roots: () => readonly Uint8Array[];
  /** Every issuing CA of ours whose certificates may still be in use, DER. */
  readonly issuers: () => readonly Uint8Array[];
  /** Handlers of the duties, by kind; `time` and `challenge` are intake's own. */
  readonly handlers: MessageHandlers;
  readonly sessionChanged: BrokerEvents["sessionChanged"];
  readonly graceAfterProof: Duration;
  readonly renewAfterExpiry: Duration;
}

/** {@link IntakeParts} with what intake keeps between messages. */
export interface IntakeContext extends IntakeParts {
  readonly turns: Turns;
  readonly refusals: RefusalBudget;
  /** Takes the answer to a message of a bundle, inside the transaction that makes it durable. */
  readonly carry: (body: Body) => void;
}

/**
 * Opens intake: who may connect, and what becomes of each message. Messages of one device are taken one after the other;
 * what comes in never makes it throw.
 */
export function openIntake(parts: IntakeParts): BrokerEvents & BundleIntake {
  const context: IntakeContext = {
    ...parts,
    turns: new Turns({ maxWaiting: 64 }),
    refusals: new RefusalBudget(parts.surroundings.clock),
    carry: () => undefined,
  };
  return {
    authenticateOperational: (peer) => auditRefusal(context, peer, () => authenticateOperational(context, peer)),
    authenticateBootstrap: (peer) => auditRefusal(context, peer, () => authenticateBootstrap(context, peer)),
    receive: (message) => receiveMessage(context, message),
    receiveBundle: (bundle) => receiveBundle(context, bundle),
    sessionChanged: (change) => parts.sessionChanged(change),
  };
}
