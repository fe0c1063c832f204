import { once } from "node:events";
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer, type Socket } from "node:net";
import { connect as connectTls, createServer, type TlsOptions } from "node:tls";

/** A server an attacker put where the controller should be. */
export interface AttackerServer {
  readonly port: number;
  readonly connections: () => number;
  /** Every octet that came out of TLS, or through the relay. */
  readonly received: () => Buffer;
  close(): Promise<void>;
}

/** Ends TLS itself; with `relayTo` it passes on what it hears, as the controller's own words would be needed for. */
export async function terminatingServer(
  tls: TlsOptions,
  options: { readonly relayTo?: number } = {},
): Promise<AttackerServer> {
  const received: Buffer[] = [];
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServer({ ...tls, requestCert: true, rejectUnauthorized: false });
  server.on("connection", (socket) => {
    connections += 1;
    sockets.add(socket);
  });
  server.on("tlsClientError", () => undefined);
  server.on("secureConnection", (socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => received.push(chunk));
    if (options.relayTo === undefined) return;
    const upstream = connectTls({ host: "127.0.0.1", port: options.relayTo, rejectUnauthorized: false });
    upstream.on("error", () => undefined);
    socket.pipe(upstream).pipe(socket);
    socket.once("close", () => upstream.destroy());
  });
  const port = await listen(server);
  return {
    port,
    connections: () => connections,
    received: () => Buffer.concat(received),
    close: () => end(server, sockets),
  };
}

/** Passes octets on between agent and controller without touching TLS. */
export async function passingServer(target: number): Promise<AttackerServer> {
  const received: Buffer[] = [];
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    connections += 1;
    const upstream = connectTcp(target, "127.0.0.1");
    for (const one of [socket, upstream]) {
      sockets.add(one);
      one.on("error", () => undefined);
    }
    socket.on("data", (chunk) => received.push(chunk));
    socket.pipe(upstream).pipe(socket);
    socket.once("close", () => upstream.destroy());
    upstream.once("close", () => socket.destroy());
  });
  const port = await listen(server);
  return {
    port,
    connections: () => connections,
    received: () => Buffer.concat(received),
    close: () => end(server, sockets),
  };
}

async function listen(server: ReturnType<typeof createTcpServer>): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function end(server: ReturnType<typeof createTcpServer>, sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = once(server, "close");
  server.close();
  for (const socket of sockets) socket.destroy();
  await closed;
}
