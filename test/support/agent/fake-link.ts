import { FleetError } from "@fleetcert/shared";
import type { Link, Session, SessionEvents, SessionRequest } from "../../../agent/src/ports.ts";

/** What the other end of a {@link FakeLink} decides. */
export interface FakeServer {
  /** Raw DER chain, leaf first. */
  readonly chain: readonly Uint8Array[];
  /** At CONNECT; throws to refuse. */
  accept(request: SessionRequest): void;
  /** A publish of a session. */
  received(message: { readonly request: SessionRequest; readonly topic: string; readonly payload: Uint8Array }): void;
}

/** MQTT sessions without a network: a broker in memory with retained messages, client-id takeover and a cable to pull. */
export class FakeLink implements Link {
  readonly #server: FakeServer;
  readonly #sessions = new Set<FakeSession>();
  readonly #retained = new Map<string, Uint8Array>();
  /** Every request that reached CONNECT. */
  readonly connects: SessionRequest[] = [];
  isCut = false;

  constructor(server: FakeServer) {
    this.#server = server;
  }

  async open(request: SessionRequest, { verifyServer, events, signal }: Parameters<Link["open"]>[1]): Promise<Session> {
    signal.throwIfAborted();
    if (this.isCut) throw new FleetError("offline", "the cable is pulled", { retry: true });
    verifyServer(this.#server.chain);
    signal.throwIfAborted();
    this.connects.push(request);
    this.#server.accept(request);
    for (const other of this.#sessions) if (other.clientId === clientIdOf(request)) other.drop("taken over");
    const session = new FakeSession(request, events, {
      published: (topic, payload) => this.#server.received({ request, topic, payload }),
      subscribed: (filters) => this.#sendRetained(session, filters),
      ended: () => this.#sessions.delete(session),
    });
    this.#sessions.add(session);
    return session;
  }

  /** Sends to every session that subscribed to the topic. */
  publish(topic: string, payload: Uint8Array, options: { readonly retain: boolean } = { retain: false }): void {
    if (options.retain) this.#retained.set(topic, payload);
    for (const session of this.#sessions) session.offer(topic, payload);
  }

  /** Pulls the cable: every session drops, none opens until `isCut` is false again. */
  cut(): void {
    this.isCut = true;
    for (const session of this.#sessions) session.drop("the cable was pulled");
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  #sendRetained(session: FakeSession, filters: readonly string[]): void {
    for (const [topic, payload] of this.#retained) {
      if (filters.some((filter) => covers(filter, topic))) session.offer(topic, payload);
    }
  }
}

interface FakeBroker {
  published(topic: string, payload: Uint8Array): void;
  subscribed(filters: readonly string[]): void;
  ended(): void;
}

class FakeSession implements Session {
  readonly clientId: string;
  readonly #events: SessionEvents;
  readonly #broker: FakeBroker;
  readonly #filters = new Set<string>();
  #isOpen = true;

  constructor(request: SessionRequest, events: SessionEvents, broker: FakeBroker) {
    this.clientId = clientIdOf(request);
    this.#events = events;
    this.#broker = broker;
  }

  async publish(topic: string, payload: Uint8Array): Promise<void> {
    this.#requireOpen();
    this.#broker.published(topic, payload);
  }

  async subscribe(filters: readonly string[]): Promise<void> {
    this.#requireOpen();
    for (const filter of filters) this.#filters.add(filter);
    this.#broker.subscribed(filters);
  }

  async unsubscribe(filters: readonly string[]): Promise<void> {
    this.#requireOpen();
    for (const filter of filters) this.#filters.delete(filter);
  }

  async close(): Promise<void> {
    this.drop(undefined);
  }

  offer(topic: string, payload: Uint8Array): void {
    if (this.#isOpen && [...this.#filters].some((filter) => covers(filter, topic))) {
      setImmediate(() => this.#isOpen && this.#events.message(topic, payload));
    }
  }

  drop(cause: unknown): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#broker.ended();
    this.#events.closed(cause);
  }

  #requireOpen(): void {
    if (!this.#isOpen) throw new FleetError("offline", "the session is closed", { retry: true });
  }
}

function clientIdOf(request: SessionRequest): string {
  return request.type === "operational" ? request.device : request.clientId;
}

function covers(filter: string, topic: string): boolean {
  const wanted = filter.split("/");
  const levels = topic.split("/");
  for (const [index, part] of wanted.entries()) {
    if (part === "#") return true;
    if (part !== "+" && part !== levels[index]) return false;
  }
  return wanted.length === levels.length;
}
