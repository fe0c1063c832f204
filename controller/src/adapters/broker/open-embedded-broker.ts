import { parseTopic } from "@fleetcert/proto";
import { type Clock, FleetError } from "@fleetcert/shared";
import type { Broker, BrokerEvents } from "../../ports.ts";
import { type BrokerLimits, defaultBrokerLimits } from "./broker-limits.ts";
import type { BrokerLog } from "./broker-log.ts";
import type { ListenerContext } from "./connection.ts";
import { ConnectionGate } from "./connection-gate.ts";
import { openMessageHub } from "./message-hub.ts";
import { serveClient } from "./serve-client.ts";
import { bootstrapRules, operationalRules, type SessionRules } from "./session-rules.ts";
import { SessionTable } from "./session-table.ts";
import { openTlsListener, type ServerCertificate, type TlsListener } from "./tls-listener.ts";

/** What an embedded broker is opened with. Port 0 takes a free one; limits not named keep their defaults. */
export interface EmbeddedBrokerOptions {
  readonly operational: { readonly host: string; readonly port: number };
  readonly bootstrap: { readonly host: string; readonly port: number };
  readonly certificate: ServerCertificate;
  readonly events: BrokerEvents;
  readonly limits?: Partial<BrokerLimits>;
  readonly clock: Clock;
  readonly log: BrokerLog;
}

/** The broker in this process, with the addresses it listens on. */
export interface EmbeddedBroker extends Broker {
  readonly endpoints: {
    readonly operational: { readonly host: string; readonly port: number };
    readonly bootstrap: { readonly host: string; readonly port: number };
  };
}

/**
 * Opens the two MQTT 3.1.1 listeners of DESIGN.md section 5 in this process: operational sessions under client
 * certificates, and the bootstrap namespace. Nothing is kept on disk: retained messages have to be published again.
 *
 * @throws FleetError `config-invalid` when an address cannot be listened on
 */
export async function openEmbeddedBroker(options: EmbeddedBrokerOptions): Promise<EmbeddedBroker> {
  const open = halvesOf(options);
  const operational = await open(operationalRules(options.events));
  const bootstrap = await open(bootstrapRules(options.events)).catch(async (error: unknown) => {
    await operational.close();
    throw error;
  });
  return {
    ...brokerOver([operational, bootstrap]),
    endpoints: { operational: operational.listener.endpoint, bootstrap: bootstrap.listener.endpoint },
  };
}

/** The bootstrap namespace alone, where devices talk to an external broker once they are enrolled. */
export interface BootstrapBroker extends Broker {
  readonly endpoint: { readonly host: string; readonly port: number };
}

/** Opens the bootstrap listener only. Throws as {@link openEmbeddedBroker}. */
export async function openBootstrapBroker(
  options: Omit<EmbeddedBrokerOptions, "operational">,
): Promise<BootstrapBroker> {
  const bootstrap = await halvesOf(options)(bootstrapRules(options.events));
  return { ...brokerOver([bootstrap]), endpoint: bootstrap.listener.endpoint };
}

type Common = Omit<EmbeddedBrokerOptions, "operational"> & Partial<Pick<EmbeddedBrokerOptions, "operational">>;

function halvesOf(options: Common): (rules: SessionRules) => Promise<Half> {
  const limits: BrokerLimits = { ...defaultBrokerLimits, ...options.limits };
  const gate = new ConnectionGate(limits);
  const crowded = crowdedLog(options);
  return (rules) => openHalf({ ...options, limits, gate, crowded, rules });
}

function brokerOver(halves: readonly Half[]): Broker {
  return {
    async publish(message) {
      const topic = parseTopic(message.topic);
      if (topic === undefined) throw new FleetError("internal", `${message.topic} is no topic of the protocol`);
      const listener = topic.type === "bootstrap-down" ? "bootstrap" : "operational";
      await halves.find(({ context }) => context.rules.listener === listener)?.context.hub.publish(message);
    },
    async dropSessions(device, certificateSha256) {
      const counts = await Promise.all(halves.map(({ context }) => context.table.drop({ device, certificateSha256 })));
      return counts.reduce((sum, count) => sum + count, 0);
    },
    async replaceCertificate(certificate) {
      for (const { listener } of halves) listener.replaceCertificate(certificate);
    },
    async close() {
      await Promise.all(halves.map((half) => half.close()));
    },
  };
}

/** One listener with its own clients, subscriptions and retained messages: the namespaces never touch. */
interface Half {
  readonly listener: TlsListener;
  readonly context: ListenerContext;
  close(): Promise<void>;
}

async function openHalf(
  options: Omit<Common, "limits"> & {
    readonly limits: BrokerLimits;
    readonly gate: ConnectionGate;
    readonly crowded: (address: string) => void;
    readonly rules: SessionRules;
  },
): Promise<Half> {
  const { rules, events, limits, log, certificate, gate, crowded } = options;
  const address = options[rules.listener];
  if (address === undefined) throw new FleetError("internal", `no address for the ${rules.listener} listener`);
  const hub = await openMessageHub({ limits, log, maySubscribe: rules.maySubscribe });
  const context: ListenerContext = { rules, events, hub, table: new SessionTable(), limits, log };
  const listener = await openTlsListener({
    ...address,
    certificate,
    requiresCertificate: rules.listener === "operational",
    limits,
    gate,
    crowded,
    log,
    serve: (connection) => void serveClient(connection, context),
  }).catch(async (error: unknown) => {
    await hub.close();
    throw error;
  });
  return {
    listener,
    context,
    async close() {
      await listener.close();
      await context.table.end();
      await hub.close();
    },
  };
}

/** One line a second at most about connections turned away, with how many there were. */
function crowdedLog({ clock, log }: Common): (address: string) => void {
  let turnedAway = 0;
  let loggedAt = Number.NEGATIVE_INFINITY;
  return (address) => {
    turnedAway++;
    if (clock.monotonic() - loggedAt < 1_000) return;
    loggedAt = clock.monotonic();
    log.warn({ address, turnedAway }, "connections turned away: the limits leave no place");
    turnedAway = 0;
  };
}
