import { get } from "node:https";
import { connect, type TLSSocket } from "node:tls";

/** Who knocks: PEM of a key and its certificate. */
export interface Identity {
  readonly key: string;
  readonly cert: string;
}

/** What came of an MQTT CONNECT over TLS. */
export interface Knock {
  /** Code of the CONNACK, 0 for a session; undefined when the connection ended without one. */
  readonly connack: number | undefined;
  readonly wasResumed: boolean;
  /** What the server gave to resume the TLS session with; absent when it gave nothing. */
  readonly ticket: Buffer | undefined;
}

/** Connects to a broker of this host and asks for an MQTT session, with a TLS session of before when one is given. */
export function knockAtBroker(
  port: number,
  { key, cert }: Identity,
  { clientId, ticket }: { readonly clientId: string; readonly ticket?: Buffer | undefined },
): Promise<Knock> {
  return new Promise((resolve) => {
    const own = { host: "127.0.0.1", port, key, cert, rejectUnauthorized: false };
    const socket: TLSSocket = connect({ ...own, ...(ticket && { session: ticket }) });
    let given: Buffer | undefined;
    let connack: number | undefined;
    let wasResumed = false;
    const done = (): void => {
      socket.destroy();
      resolve({ connack, wasResumed, ticket: given });
    };
    socket.on("session", (fresh: Buffer) => {
      given = fresh;
    });
    socket.on("secureConnect", () => {
      wasResumed = socket.isSessionReused();
      socket.write(connectPacket(clientId));
    });
    socket.on("data", (packet: Buffer) => {
      // MQTT 3.1.1 §3.2: fixed header 0x20, length 2, flags, code.
      if (packet[0] === 0x20) connack = packet[3];
      // A ticket of TLS 1.3 comes after the handshake.
      setTimeout(done, 100);
    });
    socket.on("error", done);
    socket.on("close", done);
    setTimeout(done, 5000).unref();
  });
}

/** Status of an HTTPS server of this host; 0 when it ended the connection. */
export function knockAtServer(port: number, { key, cert }: Identity): Promise<number> {
  return new Promise((resolve) => {
    const asking = get({ host: "127.0.0.1", port, key, cert, agent: false, rejectUnauthorized: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asking.on("error", () => resolve(0));
  });
}

/** MQTT 3.1.1 §3.1: protocol name and level, clean session, keep-alive of 30 s, client id. */
function connectPacket(clientId: string): Buffer {
  const id = Buffer.from(clientId);
  const head = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 30, 0, id.length]);
  return Buffer.concat([Buffer.from([0x10, head.length + id.length]), head, id]);
}
