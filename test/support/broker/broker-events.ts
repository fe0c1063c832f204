import { sha256Hex } from "@fleetcert/shared";
import type { BrokerEvents, PeerIdentity } from "../../../controller/src/ports.ts";

/** What a broker told the controller, and what the controller of a test answers. */
export interface RecordedEvents extends BrokerEvents {
  readonly received: { readonly topic: string; readonly payload: string; readonly peer: PeerIdentity }[];
  readonly presence: string[];
  /** Leaves presented at CONNECT, SHA-256 in hex; empty text for none. */
  readonly seen: string[];
}

/** Lets everybody in as whoever they say they are; a test replaces what it is about. */
export function recordedEvents(answers: Partial<BrokerEvents> = {}): RecordedEvents {
  const received: RecordedEvents["received"] = [];
  const presence: string[] = [];
  const seen: string[] = [];
  const leafOf = (chain: readonly Uint8Array[]): string => {
    const [leaf] = chain;
    seen.push(leaf === undefined ? "" : sha256Hex(leaf));
    return seen.at(-1) ?? "";
  };
  return {
    received,
    presence,
    seen,
    async authenticateOperational(peer) {
      const certificateSha256 = leafOf(peer.chain);
      return (
        answers.authenticateOperational?.(peer) ?? { type: "operational", device: peer.clientId, certificateSha256 }
      );
    },
    async authenticateBootstrap(peer) {
      leafOf(peer.chain);
      const claimId = peer.username ?? "";
      return (
        answers.authenticateBootstrap?.(peer) ?? {
          type: "bootstrap",
          clientId: peer.clientId,
          by: { type: "claim", claimId },
        }
      );
    },
    async receive(message) {
      await answers.receive?.(message);
      received.push({ ...message, payload: Buffer.from(message.payload).toString() });
    },
    async sessionChanged(change) {
      await answers.sessionChanged?.(change);
      const { peer, connected } = change;
      presence.push(`${connected ? "+" : "-"}${peer.type === "operational" ? peer.device : peer.clientId}`);
    },
  };
}

/** A log that keeps its lines as `event: why`. */
export function recordedLog(): {
  readonly lines: string[];
  info(): void;
  warn(fields: Record<string, unknown>, event: string): void;
} {
  const lines: string[] = [];
  return {
    lines,
    info: () => undefined,
    warn: (fields, event) => {
      lines.push(`${event}: ${String(fields["why"] ?? "")}`);
    },
  };
}
