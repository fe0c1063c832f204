import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { pemEncode } from "@fleetcert/shared";
import { Aedes, type Client } from "aedes";
import type { SeenConnect } from "../contracts/link.ts";

/** A client as {@link startAedesBroker} knows it. */
export interface BrokerClient extends SeenConnect {
  readonly client: Client;
}

export interface AedesBrokerOptions {
  readonly key: string;
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[];
  /** False refuses the CONNECT with return code 5. */
  readonly accept: (client: SeenConnect) => boolean;
  readonly received: (message: {
    readonly client: SeenConnect;
    readonly topic: string;
    readonly payload: Uint8Array;
  }) => void;
}

/** A small MQTT broker over TLS 1.3 for tests of the agent; it takes any client certificate and asks `accept`. */
export interface AedesBroker {
  readonly port: number;
  send(topic: string, payload: Uint8Array, options: { readonly retain: boolean }): Promise<void>;
  /** Drops every session and stops listening. */
  close(): Promise<void>;
}

/** Starts it on a free port of 127.0.0.1. */
export async function startAedesBroker(options: AedesBrokerOptions): Promise<AedesBroker> {
  const aedes = await Aedes.createBroker({ concurrency: 1000 });
  const seen = new WeakMap<Client, SeenConnect>();
  const sockets = new Set<TLSSocket>();
  aedes.authenticate = (client, username, password, done) => {
    const socket = client.conn as unknown as TLSSocket;
    const { raw } = socket.getPeerCertificate();
    const connect: SeenConnect = {
      clientId: client.id,
      claim: username === undefined || username === null ? undefined : claimOf(username, password),
      certificate: raw === undefined ? undefined : new Uint8Array(raw),
    };
    seen.set(client, connect);
    if (options.accept(connect)) done(null, true);
    else done(Object.assign(new Error("refused"), { returnCode: 5 }) as never, false);
  };
  aedes.on("publish", ({ topic, payload }, client) => {
    const from = client === null ? undefined : seen.get(client);
    if (from !== undefined) options.received({ client: from, topic, payload: new Uint8Array(Buffer.from(payload)) });
  });
  const server = createServer(
    {
      key: options.key,
      cert: options.chain.map((der) => pemEncode("CERTIFICATE", der)).join(""),
      minVersion: "TLSv1.3",
      requestCert: true,
      rejectUnauthorized: false,
    },
    (socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      socket.on("error", () => undefined);
      aedes.handle(socket);
    },
  );
  server.on("tlsClientError", () => undefined);
  return { port: await listen(server), send: sender(aedes), close: () => close({ server, aedes, sockets }) };
}

function claimOf(id: string, password: unknown): { id: string; secret: string } {
  return { id, secret: Buffer.from(password as Buffer).toString("hex") };
}

function sender(aedes: Aedes): AedesBroker["send"] {
  return (topic, payload, { retain }) =>
    new Promise((resolve, reject) => {
      const packet = { cmd: "publish", qos: 1, dup: false, retain, topic, payload: Buffer.from(payload) } as const;
      aedes.publish(packet, (error) => (error ? reject(error) : resolve()));
    });
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function close({
  server,
  aedes,
  sockets,
}: {
  server: Server;
  aedes: Aedes;
  sockets: Set<TLSSocket>;
}): Promise<void> {
  if (aedes.closed) return;
  const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const socket of sockets) socket.destroy();
  await stopped;
  await new Promise<void>((resolve) => aedes.close(() => resolve()));
}
