import type { Duration } from "@fleetcert/shared";

/** Every bound of the embedded broker; all of them hold for each listener unless said otherwise. */
export interface BrokerLimits {
  /** TCP connections at once, over both listeners. */
  readonly connections: number;
  /** TCP connections at once from one address (IPv6: one /64), over both listeners. */
  readonly connectionsPerAddress: number;
  /** Of those, the ones that have not been accepted by a CONNACK yet. */
  readonly pendingPerAddress: number;
  readonly handshakeTimeout: Duration;
  /** From the end of the handshake to the last octet of CONNECT. */
  readonly connectTimeout: Duration;
  /** How long the controller may take to judge a CONNECT. */
  readonly authenticateTimeout: Duration;
  /** Longest silence of an accepted client, whatever keep-alive it asks for. */
  readonly keepAlive: Duration;
  /** Certificates a client may present, its own included. */
  readonly certificates: number;
  /** Octets of one presented certificate. */
  readonly certificateBytes: number;
  /** Remaining length of CONNECT, the only packet before CONNACK. */
  readonly connectBytes: number;
  /** Remaining length of every later packet but PUBLISH. */
  readonly controlBytes: number;
  /** Remaining length of PUBLISH, and octets of a payload the controller publishes. */
  readonly publishBytes: number;
  /** Octets waiting to be sent to one client; a client that lets more pile up is dropped. */
  readonly outgoingBytes: number;
  /** Subscriptions of one client at once. */
  readonly subscriptions: number;
  /** Devices whose subscriptions and unacknowledged messages outlive their connection. */
  readonly keptSessions: number;
  /** Messages kept for one client that has not acknowledged them, and their octets. */
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  /** Octets kept for all clients together. */
  readonly queuedBytesTotal: number;
  /** Octets of retained payloads. */
  readonly retainedBytes: number;
  /** Octets of the controller's messages that are being handed over. */
  readonly publishingBytes: number;
}

/** What a controller of some ten thousand devices needs; STACK.md traps 1 to 3 are behind the sizes and times. */
export const defaultBrokerLimits: BrokerLimits = {
  connections: 20_000,
  connectionsPerAddress: 10_000,
  pendingPerAddress: 512,
  handshakeTimeout: 5_000,
  connectTimeout: 5_000,
  authenticateTimeout: 10_000,
  keepAlive: 20 * 60_000,
  certificates: 4,
  certificateBytes: 8 * 1024,
  connectBytes: 4 * 1024,
  controlBytes: 32 * 1024,
  publishBytes: 256 * 1024,
  outgoingBytes: 4 * 1024 * 1024,
  subscriptions: 256,
  keptSessions: 20_000,
  queuedMessages: 100,
  queuedBytes: 1024 * 1024,
  queuedBytesTotal: 128 * 1024 * 1024,
  retainedBytes: 256 * 1024 * 1024,
  publishingBytes: 64 * 1024 * 1024,
};
