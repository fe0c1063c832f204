import { constants } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { createSecureContext, createServer as createTlsServer, type TLSSocket, type TlsOptions } from "node:tls";
import { FleetError, isFleetError, pemEncode } from "@fleetcert/shared";
import type { BrokerLimits } from "./broker-limits.ts";
import type { BrokerLog } from "./broker-log.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionGate, Place } from "./connection-gate.ts";
import { HandshakeLane } from "./handshake-lane.ts";
import { peerChain } from "./peer-chain.ts";

/** The server's certificate chain in DER, its own first, and its key as PEM (also a key provider's handle). */
export interface ServerCertificate {
  readonly chain: readonly Uint8Array[];
  readonly tlsKey: string;
}

/** A listening TLS port. */
export interface TlsListener {
  readonly endpoint: { readonly host: string; readonly port: number };
  /** For handshakes from now on; connections stay. Throws FleetError `certificate-invalid` and changes nothing. */
  replaceCertificate(certificate: ServerCertificate): void;
  /** Stops listening and destroys every connection. */
  close(): Promise<void>;
}

/** What a listener is opened with; port 0 takes a free one. */
export interface TlsListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly certificate: ServerCertificate;
  /** Whether a client without certificate is refused before a word of MQTT. */
  readonly requiresCertificate: boolean;
  readonly limits: BrokerLimits;
  readonly gate: ConnectionGate;
  /** Told of every connection the gate turned away. */
  readonly crowded: (address: string) => void;
  readonly log: BrokerLog;
  /** Takes a connection over after its handshake, together with the duty to destroy it. */
  readonly serve: (connection: Connection) => void;
}

/**
 * Opens a TLS port: client certificates are asked for and their keys proved, but judged elsewhere from their raw DER;
 * nothing is ever resumed; a handshake has a deadline whatever trickles in; connections are counted before TLS starts.
 */
export async function openTlsListener(options: TlsListenerOptions): Promise<TlsListener> {
  const tls = createTlsServer({ ...checkedContext(options.certificate), requestCert: true, rejectUnauthorized: false });
  const tcp = createServer();
  const lane = new HandshakeLane(handshakes, (act, after) => setTimeout(act, after).unref());
  const sockets = new Set<Socket>();
  const places = new Map<string, SecuringPlace>();
  tcp.on("connection", (socket) => {
    const peer = peerOf(socket);
    const place = options.gate.enter(socket.remoteAddress ?? "");
    if (place === undefined) {
      options.crowded(socket.remoteAddress ?? "");
      socket.destroy();
      return;
    }
    const { handshakeTimeout } = options.limits;
    const isLate = (): void => void socket.destroy();
    let late = setTimeout(isLate, handshakeTimeout);
    let leaveLane: (() => void) | undefined;
    const secured = (): void => {
      clearTimeout(late);
      leaveLane?.();
    };
    places.set(peer, { ...place, secured });
    sockets.add(socket);
    socket.once("close", () => {
      secured();
      place.left();
      places.delete(peer);
      sockets.delete(socket);
    });
    socket.on("error", () => undefined);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, probeAfterMs);
    whenHelloBegins(socket, (begin) => {
      clearTimeout(late);
      leaveLane = lane.enter(() => {
        late = setTimeout(isLate, handshakeTimeout);
        begin(tls);
      });
    });
  });
  tls.on("tlsClientError", (_error, socket) => socket.destroy());
  tls.on("secureConnection", (socket) => {
    // The handshake is done on a socket of its own that names the same peer.
    const place = places.get(peerOf(socket));
    if (place === undefined) socket.destroy();
    else welcome(socket, place, options);
  });
  const endpoint = await listen(tcp, options);
  return {
    endpoint,
    replaceCertificate: (certificate) => tls.setSecureContext(checkedContext(certificate)),
    async close() {
      const stopped = new Promise<void>((resolve) => tcp.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await stopped;
    },
  };
}

/**
 * Tells when the first octets have come; calling `begin` lets TLS start with them. Only then does Node keep a read buffer of 4 KiB for the
 * connection instead of 64 KiB, which a flood would make resident: 5 KiB instead of 45 KiB for each socket that sends 100 kB at
 * once, measured with Node 24.21 over 1,000 sockets. What does not begin like TLS gets no TLS at all. Until its turn a client is read
 * on, no further than a ClientHello may be long: so it is seen when it leaves.
 */
function whenHelloBegins(socket: Socket, ready: (begin: (tls: Server) => void) => void): void {
  const read: Buffer[] = [];
  let length = 0;
  const take = (octets: Buffer): void => {
    const isFirst = read.length === 0;
    read.push(octets);
    length += octets.length;
    if (length > maxClientHello || (isFirst && octets[0] !== handshakeRecord)) socket.destroy();
    else if (isFirst) ready(begin);
  };
  const begin = (tls: Server): void => {
    socket.off("data", take);
    socket.pause();
    socket.unshift(Buffer.concat(read));
    tls.emit("connection", socket);
  };
  socket.on("data", take);
}

interface SecuringPlace extends Place {
  /** The handshake is over: its deadline no longer counts. */
  secured(): void;
}

function welcome(socket: TLSSocket, place: SecuringPlace, options: TlsListenerOptions): void {
  const { limits, log, requiresCertificate, serve } = options;
  const address = socket.remoteAddress ?? "";
  place.secured();
  socket.on("error", () => undefined);
  try {
    // STACK.md trap 9: a resumed session keeps the identity of the certificate it was made with.
    if (socket.isSessionReused()) throw new FleetError("unauthenticated", "TLS session was resumed");
    const chain = peerChain(socket, limits);
    if (requiresCertificate && chain.length === 0) throw new FleetError("unauthenticated", "no certificate presented");
    serve({ stream: socket, chain, address, accepted: place.accepted, holdReading: () => holdReading(socket) });
  } catch (error) {
    socket.destroy();
    const why = isFleetError(error) ? `${error.code}: ${error.message}` : String(error);
    log.warn({ address, why }, "connection refused after the handshake");
  }
}

/**
 * Stops reading below TLS. `pause` would not: a stream reads ahead up to its mark, and TLS a whole record, which cost 24 to
 * 39 KiB for each of 1,000 sockets that send 100 kB while their CONNECT is judged; so it is 9 to 13 KiB (Node 24.21).
 */
function holdReading(socket: TLSSocket): () => void {
  const handle = (socket as unknown as { readonly _handle: ReadingHandle | null })._handle;
  if (handle === null) return () => undefined;
  // What net.Socket itself does at its mark, and when it is drained.
  handle.reading = false;
  handle.readStop();
  return () => {
    if (socket.destroyed) return;
    handle.reading = true;
    handle.readStart();
  };
}

/** The part of Node's stream handles that net.Socket stops and starts reading with. */
interface ReadingHandle {
  reading: boolean;
  readStop(): number;
  readStart(): number;
}

/** OpenSSL takes the key and certificate together here, so that a wrong pair changes nothing. */
function checkedContext(certificate: ServerCertificate): TlsOptions {
  const context = contextOf(certificate);
  try {
    createSecureContext(context);
    return context;
  } catch (cause) {
    throw new FleetError("certificate-invalid", "the broker's certificate and key do not fit each other", { cause });
  }
}

function contextOf({ chain, tlsKey }: ServerCertificate): TlsOptions {
  return {
    cert: chain.map((der) => pemEncode("CERTIFICATE", der)).join(""),
    key: tlsKey,
    // None: OpenSSL's verdict on clients is never asked for, and the list of names sent to them stays empty.
    ca: [],
    minVersion: "TLSv1.2",
    ciphers,
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  };
}

async function listen(server: Server, { host, port }: TlsListenerOptions): Promise<TlsListener["endpoint"]> {
  const ready = Promise.withResolvers<void>();
  server.once("error", ready.reject);
  server.listen({ host, port, backlog: 511 }, ready.resolve);
  try {
    await ready.promise;
  } catch (cause) {
    throw new FleetError("config-invalid", `cannot listen on ${host} port ${port}`, {
      hint: "choose a free port (0 takes any) and an address of this machine",
      cause,
    });
  }
  server.off("error", ready.reject);
  // What a single accept can fail with (no file descriptor left) must not end the process.
  server.on("error", () => undefined);
  const address = server.address();
  return { host, port: typeof address === "object" && address !== null ? address.port : port };
}

const peerOf = (socket: Socket): string => `${socket.remoteAddress} ${socket.remotePort}`;

/** RFC 8446 §5.1: content type of a record, and the largest one with its header. */
const handshakeRecord = 22;
const maxClientHello = 5 + 2 ** 14;

/** As many as keep the processor busy while others wait for the network; a slow one holds its turn for this long. */
const handshakes = { atOnce: 32, holdsFor: 100 };

/** Dead peers of long silences are found by the network too. */
const probeAfterMs = 60_000;

/** TLS 1.3's, and of TLS 1.2 those with forward secrecy and authenticated encryption (RFC 9325). */
const ciphers = [
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_AES_128_GCM_SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
].join(":");
