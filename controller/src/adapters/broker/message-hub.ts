import type { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import { FleetError } from "@fleetcert/shared";
import { Aedes, type Client } from "aedes";
import { BoundedPersistence, type RetainedReader } from "./bounded-persistence.ts";
import { type Bridge, bridgeTo } from "./bridge.ts";
import type { BrokerLimits } from "./broker-limits.ts";
import type { BrokerLog } from "./broker-log.ts";
import { writeConnect, writeEmptyPublish } from "./write-packet.ts";

/** A client that has been authenticated, as the hub needs to know it. `keepAlive` is in seconds, above 0. */
export interface HubClient {
  readonly socket: Duplex;
  readonly clientId: string;
  readonly clean: boolean;
  readonly keepAlive: number;
}

/** A client's way into the hub. */
export interface HubLink {
  /** Resolves with true once CONNACK is sent and what waited for the client is under way, with false if it closed. */
  readonly ready: Promise<boolean>;
  /** Hands over a checked packet that is no PUBLISH; resolves when the hub can take the next. */
  feed(packet: Uint8Array): Promise<void>;
  /** Sends the PUBACK of a PUBLISH whose effect is durable, and counts it as a sign of life. */
  acknowledge(packetId: number | undefined): Promise<void>;
}

/** Carries the controller's messages to subscribers; nothing passes from one client to another. */
export interface MessageHub {
  join(client: HubClient): HubLink;
  publish(message: { readonly topic: string; readonly payload: Uint8Array; readonly retain: boolean }): Promise<void>;
  close(): Promise<void>;
}

/** Opens a hub on aedes. `maySubscribe` decides every filter, again when a kept session comes back. */
export async function openMessageHub(options: {
  readonly limits: BrokerLimits;
  readonly log: BrokerLog;
  readonly maySubscribe: (clientId: string, filter: string) => boolean;
}): Promise<MessageHub> {
  const { limits, log, maySubscribe } = options;
  const members = new WeakMap<object, Member>();
  const memberOf = (client: Client | null): Member | undefined =>
    client === null ? undefined : members.get(client.conn);
  const persistence = new BoundedPersistence(limits, maySubscribe);
  const aedes = await Aedes.createBroker({
    // Above 0 a queue longer than about 4,500 messages ends in an uncaught RangeError (STACK.md trap 1).
    concurrency: 0,
    drainTimeout: 5_000,
    connectTimeout: limits.connectTimeout,
    persistence,
    authenticate: (_client, _username, _password, done) => done(null, true),
    authorizePublish: (_client, { topic }, done) =>
      done(topic === receiptTopic ? null : new Error("a client's PUBLISH must not get here")),
    authorizeSubscribe(client, subscription, done) {
      const member = memberOf(client);
      const isAllowed =
        member !== undefined && maySubscribe(client.id, subscription.topic) && member.admits(subscription.topic);
      done(null, isAllowed ? subscription : null);
    },
    authorizeForward(client, message) {
      const member = memberOf(client);
      member?.hasRoomFor(message.payload.length);
      // Before CONNACK aedes would send it ahead; a kept session gets it right afterwards with what waits for it.
      return member?.isAnswered === true ? message : null;
    },
  });
  aedes.on("connackSent", (_connack, client) => memberOf(client)?.answered());
  aedes.on("clientReady", (client) => memberOf(client)?.becomeReady(true));
  aedes.on("subscribe", (_subscriptions, client) => {
    const member = memberOf(client);
    if (member !== undefined) persistence.readRetainedBy(member.reader());
  });
  aedes.on("unsubscribe", (filters, client) => memberOf(client)?.release(filters));
  const emitter: EventEmitter = aedes;
  emitter.on("error", (error: Error) => log.warn({ error: error.message }, "broker failed to route a message"));
  const queue = new PublishQueue(aedes, limits);
  const live = new Set<Duplex>();

  return {
    join(client) {
      const bridge = bridgeTo(client.socket);
      const member = new Member({ bridge, limits, log, clientId: client.clientId });
      const { stream } = bridge;
      members.set(stream, member);
      live.add(stream);
      stream.once("close", () => {
        live.delete(stream);
        member.becomeReady(false);
      });
      client.socket.once("close", () => stream.destroy());
      aedes.handle(stream);
      void bridge.feed(writeConnect(client));
      return {
        ready: member.ready,
        feed: (packet) => member.feed(packet),
        acknowledge: (packetId) => member.feed(writeEmptyPublish(receiptTopic, packetId)),
      };
    },
    publish: (message) => queue.publish(message),
    async close() {
      for (const stream of live) stream.destroy();
      await new Promise<void>((resolve) => aedes.close(resolve));
    },
  };
}

/** What the hub knows of one client beside what aedes knows. */
class Member {
  readonly ready: Promise<boolean>;
  readonly #about: { bridge: Bridge; limits: BrokerLimits; log: BrokerLog; clientId: string };
  readonly #filters = new Set<string>();
  readonly #ready = Promise.withResolvers<boolean>();
  #isAnswered = false;
  #readers = 0;

  constructor(about: { bridge: Bridge; limits: BrokerLimits; log: BrokerLog; clientId: string }) {
    this.#about = about;
    this.ready = this.#ready.promise;
  }

  /** Whether CONNACK is on its way. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  answered(): void {
    this.#isAnswered = true;
  }

  becomeReady(isReady: boolean): void {
    this.#ready.resolve(isReady);
  }

  admits(filter: string): boolean {
    if (this.#filters.size >= this.#about.limits.subscriptions && !this.#filters.has(filter)) return false;
    this.#filters.add(filter);
    return true;
  }

  release(filters: readonly string[]): void {
    for (const filter of filters) this.#filters.delete(filter);
  }

  /** Whether that many more octets may wait for this client; drops it when they may not. */
  hasRoomFor(octets: number): boolean {
    const { bridge, limits } = this.#about;
    const waiting = bridge.outgoingBytes() + octets;
    if (bridge.stream.destroyed) return false;
    if (waiting <= limits.outgoingBytes) return true;
    this.#drop({ waiting, limit: limits.outgoingBytes });
    return false;
  }

  #drop(about: Readonly<Record<string, number>>): void {
    const { bridge, log, clientId } = this.#about;
    log.warn({ clientId, ...about }, "client dropped: it does not read");
    bridge.stream.destroy();
  }

  /** Paces what is retained by what the client takes: a long revocation list must not cost a slow client its session. */
  reader(): RetainedReader {
    return {
      begins: () => {
        this.#readers++;
        if (this.#readers > maxReaders) this.#drop({ readers: this.#readers });
      },
      takesMore: () => this.#about.bridge.untilHolding(pacedBytes),
      ends: () => {
        this.#readers--;
      },
    };
  }

  async feed(packet: Uint8Array): Promise<void> {
    if (this.hasRoomFor(0)) await this.#about.bridge.feed(packet);
  }
}

/**
 * Hands messages to aedes one after another. Two at once may reach a client in the other order, and aedes then takes
 * the earlier for a duplicate and loses it.
 */
class PublishQueue {
  readonly #aedes: Aedes;
  readonly #limits: BrokerLimits;
  #tail: Promise<unknown> = Promise.resolve();
  #waitingBytes = 0;

  constructor(aedes: Aedes, limits: BrokerLimits) {
    this.#aedes = aedes;
    this.#limits = limits;
  }

  async publish(message: { topic: string; payload: Uint8Array; retain: boolean }): Promise<void> {
    const size = message.payload.length;
    const { publishBytes, publishingBytes } = this.#limits;
    if (size > publishBytes) {
      throw new FleetError(
        "message-too-large",
        `message of ${size} octets for ${message.topic}, limit ${publishBytes}`,
      );
    }
    if (this.#waitingBytes + size > publishingBytes) {
      throw new FleetError("rate-limited", `${this.#waitingBytes} octets wait to be published`, { retry: true });
    }
    this.#waitingBytes += size;
    const published = this.#tail.then(() => this.#handOver(message));
    this.#tail = published.catch(() => undefined);
    try {
      await published;
    } finally {
      this.#waitingBytes -= size;
    }
  }

  #handOver({ topic, payload, retain }: { topic: string; payload: Uint8Array; retain: boolean }): Promise<void> {
    const octets = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    return new Promise((resolve, reject) => {
      this.#aedes.publish({ cmd: "publish", topic, payload: octets, qos: 1, retain, dup: false }, (error) =>
        error ? reject(error) : resolve(),
      );
    });
  }
}

/** Octets that may wait for a client when it is handed the next retained message; aedes reads up to 16 ahead. */
const pacedBytes = 128 * 1024;
/** Subscriptions whose retained messages a client has not taken yet. */
const maxReaders = 32;

/** Where acknowledged publishes of clients end: nobody may subscribe to it. */
const receiptTopic = "$receipt";
