import { duplexPair } from "node:stream";
import { type BrokerLimits, defaultBrokerLimits } from "../../../controller/src/adapters/broker/broker-limits.ts";
import type { ListenerContext } from "../../../controller/src/adapters/broker/connection.ts";
import { type MessageHub, openMessageHub } from "../../../controller/src/adapters/broker/message-hub.ts";
import { serveClient } from "../../../controller/src/adapters/broker/serve-client.ts";
import { operationalRules, type SessionRules } from "../../../controller/src/adapters/broker/session-rules.ts";
import { SessionTable } from "../../../controller/src/adapters/broker/session-table.ts";
import type { BrokerEvents } from "../../../controller/src/ports.ts";
import { type RecordedEvents, recordedEvents, recordedLog } from "./broker-events.ts";
import { RawMqttClient } from "./mqtt-client.ts";

/** One listener of the broker without TLS and sockets. */
export interface InMemoryBroker {
  readonly events: RecordedEvents;
  readonly log: { readonly lines: string[] };
  readonly hub: MessageHub;
  readonly table: SessionTable;
  /** A new connection; `chain` is what the handshake would have shown. */
  client(chain?: readonly Uint8Array[]): RawMqttClient;
  /** A client that has got its CONNACK. */
  connected(clientId: string, wishes?: { readonly clean?: boolean }): Promise<RawMqttClient>;
  close(): Promise<void>;
}

/** Opens one; the operational listener unless other rules are given. */
export async function inMemoryBroker(
  options: {
    readonly limits?: Partial<BrokerLimits>;
    readonly answers?: Partial<BrokerEvents>;
    readonly rules?: (events: BrokerEvents) => SessionRules;
  } = {},
): Promise<InMemoryBroker> {
  const events = recordedEvents(options.answers);
  const log = recordedLog();
  const limits = { ...defaultBrokerLimits, ...options.limits };
  const rules = (options.rules ?? operationalRules)(events);
  const hub = await openMessageHub({ limits, log, maySubscribe: rules.maySubscribe });
  const context: ListenerContext = { rules, events, hub, table: new SessionTable(), limits, log };
  const client = (chain: readonly Uint8Array[] = []): RawMqttClient => {
    const [near, far] = duplexPair();
    // A pair does not tell one side that the other was destroyed, as a socket would.
    near.once("close", () => far.destroy());
    far.once("close", () => near.destroy());
    void serveClient({ stream: far, chain, address: "192.0.2.1" }, context);
    return new RawMqttClient(near);
  };
  return {
    events,
    log,
    hub,
    table: context.table,
    client,
    async connected(clientId, wishes = {}) {
      const raw = client();
      const code = await raw.connect({ clientId, ...wishes });
      if (code !== 0) throw new Error(`CONNECT of ${clientId} was answered with ${code}`);
      return raw;
    },
    async close() {
      await context.table.end();
      await hub.close();
    },
  };
}

/** Runs a test against one and closes it whatever happens. */
export async function withBroker(
  options: Parameters<typeof inMemoryBroker>[0],
  run: (broker: InMemoryBroker) => Promise<void>,
): Promise<void> {
  const broker = await inMemoryBroker(options);
  try {
    await run(broker);
  } finally {
    await broker.close();
  }
}
