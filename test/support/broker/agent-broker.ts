import { FleetError, sha256Hex } from "@fleetcert/shared";
import { systemClock } from "../../../agent/src/adapters/system.ts";
import { openEmbeddedBroker } from "../../../controller/src/adapters/broker/open-embedded-broker.ts";
import type { SeenConnect } from "../../contracts/link.ts";
import { recordedLog } from "./broker-events.ts";

/** What a broker for agents shows and lets in. */
export interface AgentBrokerOptions {
  /** PEM. */
  readonly key: string;
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[];
  /** False refuses the CONNECT. */
  readonly accept: (client: SeenConnect) => boolean;
  readonly received: (message: {
    readonly client: SeenConnect;
    readonly topic: string;
    readonly payload: Uint8Array;
  }) => void;
}

/** The controller's broker without a controller, for tests of the agent: any certificate is taken, and `accept` asked. */
export interface AgentBroker {
  readonly ports: { readonly operational: number; readonly bootstrap: number };
  send(topic: string, payload: Uint8Array, options: { readonly retain: boolean }): Promise<void>;
  /** Drops every session and stops listening; idempotent. */
  close(): Promise<void>;
}

/** Starts it on free ports of 127.0.0.1. */
export async function startAgentBroker({ key, chain, accept, received }: AgentBrokerOptions): Promise<AgentBroker> {
  const seen = new Map<string, SeenConnect>();
  const admit = (connect: SeenConnect): void => {
    seen.set(connect.clientId, connect);
    if (!accept(connect)) throw new FleetError("denied", `${connect.clientId} is refused`);
  };
  const address = { host: "127.0.0.1", port: 0 };
  const broker = await openEmbeddedBroker({
    operational: address,
    bootstrap: address,
    certificate: { chain, tlsKey: key },
    clock: systemClock,
    log: recordedLog(),
    events: {
      async authenticateOperational({ clientId, chain: [certificate] }) {
        admit({ clientId, certificate, claim: undefined });
        return { type: "operational", device: clientId, certificateSha256: sha256Hex(certificate ?? new Uint8Array()) };
      },
      async authenticateBootstrap({ clientId, chain: [certificate], username, password }) {
        const secret = Buffer.from(password ?? []).toString("hex");
        admit({ clientId, certificate, claim: username === undefined ? undefined : { id: username, secret } });
        return { type: "bootstrap", clientId, by: { type: "claim", claimId: username ?? "" } };
      },
      async receive({ topic, payload, peer }) {
        const client = seen.get(peer.type === "operational" ? peer.device : peer.clientId);
        if (client !== undefined) received({ client, topic, payload });
      },
      async sessionChanged() {},
    },
  });
  let closing: Promise<void> | undefined;
  const { operational, bootstrap } = broker.endpoints;
  return {
    ports: { operational: operational.port, bootstrap: bootstrap.port },
    send: (topic, payload, { retain }) => broker.publish({ topic, payload, retain }),
    close() {
      closing ??= broker.close();
      return closing;
    },
  };
}
