import type { Duplex } from "node:stream";
import type { BrokerEvents } from "../../ports.ts";
import type { BrokerLimits } from "./broker-limits.ts";
import type { BrokerLog } from "./broker-log.ts";
import type { MessageHub } from "./message-hub.ts";
import type { SessionRules } from "./session-rules.ts";
import type { SessionTable } from "./session-table.ts";

/** A connection after its handshake: `chain` holds the presented certificates in DER, the client's own first. */
export interface Connection {
  readonly stream: Duplex;
  readonly chain: readonly Uint8Array[];
  readonly address: string;
  /** Called once the client got its accepting CONNACK. */
  readonly accepted?: () => void;
  /**
   * Takes nothing more from the network until the result is called, which reads on where it stopped. What the client
   * sends meanwhile waits in its own kernel and ours; neither is the end of the connection seen.
   */
  readonly holdReading?: () => () => void;
}

/** What all connections of one listener share. */
export interface ListenerContext {
  readonly rules: SessionRules;
  readonly events: BrokerEvents;
  readonly hub: MessageHub;
  readonly table: SessionTable;
  readonly limits: BrokerLimits;
  readonly log: BrokerLog;
}

/** Resolves when a stream has closed, at once when it has already. */
export function closed(stream: Duplex): Promise<void> {
  return stream.closed ? Promise.resolve() : new Promise((resolve) => stream.once("close", resolve));
}
