import {
  bootstrapSubscriptions,
  isBootstrapClientId,
  mayDeviceSubscribe,
  parseTopic,
  type UpKind,
} from "@fleetcert/proto";
import { isDeviceId } from "@fleetcert/shared";
import type { BrokerEvents, PeerIdentity } from "../../ports.ts";
import type { Connect } from "./read-packet.ts";

/** What a listener asks of its clients and lets them do; everything else is denied. */
export interface SessionRules {
  readonly listener: "operational" | "bootstrap";
  isClientId(text: string): boolean;
  /** Resolves who the client is, or throws a FleetError that says why it may not come in. */
  authenticate(chain: readonly Uint8Array[], connect: Connect): Promise<PeerIdentity>;
  /** The only client id an identity may use. */
  clientIdOf(identity: PeerIdentity): string;
  mayPublish(clientId: string, topic: string): boolean;
  maySubscribe(clientId: string, filter: string): boolean;
  /** Whether subscriptions and messages may outlive a connection. */
  readonly keepsSessions: boolean;
}

/** Port 8883: devices with their operational certificates, each in its own topics. */
export function operationalRules(events: BrokerEvents): SessionRules {
  return {
    listener: "operational",
    isClientId: isDeviceId,
    authenticate: (chain, { clientId }) => events.authenticateOperational({ chain, clientId }),
    clientIdOf: (identity) => (identity.type === "operational" ? identity.device : ""),
    mayPublish(clientId, text) {
      const topic = parseTopic(text);
      return topic?.type === "up" && topic.device === clientId;
    },
    maySubscribe: mayDeviceSubscribe,
    keepsSessions: true,
  };
}

/** Port 8884: whoever has a claim, a birth certificate or an expired one, in a namespace of its own. */
export function bootstrapRules(events: BrokerEvents): SessionRules {
  return {
    listener: "bootstrap",
    isClientId: isBootstrapClientId,
    authenticate: (chain, { clientId, username, password }) =>
      events.authenticateBootstrap({ chain, clientId, username, password }),
    clientIdOf: (identity) => (identity.type === "bootstrap" ? identity.clientId : ""),
    mayPublish(clientId, text) {
      const topic = parseTopic(text);
      return topic?.type === "bootstrap-up" && topic.clientId === clientId && bootstrapKinds.has(topic.kind);
    },
    maySubscribe(clientId, filter) {
      const topic = parseTopic(filter);
      return (
        bootstrapSubscriptions(clientId).includes(filter) ||
        (topic?.type === "bootstrap-down" && topic.clientId === clientId)
      );
    },
    keepsSessions: false,
  };
}

/** DESIGN.md section 5: what may be asked before there is an operational certificate, and why it is not taken (`time`). */
const bootstrapKinds: ReadonlySet<UpKind> = new Set<UpKind>(["enrol", "attest", "renew", "time"]);
