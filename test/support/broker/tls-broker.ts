import { connect as connectTcp } from "node:net";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import type { BrokerLimits } from "../../../controller/src/adapters/broker/broker-limits.ts";
import {
  type EmbeddedBroker,
  openEmbeddedBroker,
} from "../../../controller/src/adapters/broker/open-embedded-broker.ts";
import type { BrokerEvents } from "../../../controller/src/ports.ts";
import { ManualClock } from "../manual-clock.ts";
import type { TlsMaterial } from "../pki/tls-material.ts";
import { type RecordedEvents, recordedEvents, recordedLog } from "./broker-events.ts";
import { RawMqttClient } from "./mqtt-client.ts";

/** An embedded broker on free ports of 127.0.0.1, with recorded events. */
export interface TlsBroker extends EmbeddedBroker {
  readonly events: RecordedEvents;
  readonly log: { readonly lines: string[] };
  /** A client after its handshake; rejects when the handshake fails. */
  dial(
    listener: "operational" | "bootstrap",
    options?: ConnectionOptions,
  ): Promise<RawMqttClient & { stream: TLSSocket }>;
  /** A bare TCP connection. */
  dialTcp(listener: "operational" | "bootstrap"): RawMqttClient;
}

/** Opens one. */
export async function tlsBroker(
  material: TlsMaterial,
  options: { readonly limits?: Partial<BrokerLimits>; readonly answers?: Partial<BrokerEvents> } = {},
): Promise<TlsBroker> {
  const events = recordedEvents(options.answers);
  const log = recordedLog();
  const broker = await openEmbeddedBroker({
    operational: { host: "127.0.0.1", port: 0 },
    bootstrap: { host: "127.0.0.1", port: 0 },
    certificate: material.server,
    events,
    limits: options.limits ?? {},
    clock: new ManualClock(0),
    log,
  });
  return {
    ...broker,
    events,
    log,
    async dial(listener, tls = {}) {
      const socket = connect({ ...broker.endpoints[listener], rejectUnauthorized: false, ...tls });
      await new Promise<void>((resolve, reject) => {
        socket.once("secureConnect", resolve);
        socket.once("error", reject);
        socket.once("close", () => reject(new Error("closed during the handshake")));
      });
      return new RawMqttClient(socket) as RawMqttClient & { stream: TLSSocket };
    },
    dialTcp: (listener) => new RawMqttClient(connectTcp(broker.endpoints[listener])),
  };
}
