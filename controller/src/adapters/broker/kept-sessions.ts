import type { BrokerLimits } from "./broker-limits.ts";
import { ClientQueue, type QueuedMessage } from "./client-queue.ts";
import { TopicTree } from "./topic-tree.ts";

/** What outlives the connection of a client: its subscriptions and the messages it has not acknowledged. */
export class KeptSessions {
  readonly #limits: KeptLimits;
  readonly #sessions = new Map<string, KeptSession>();
  /** Filter → the clients that keep a subscription with it. */
  readonly #subscribers = new TopicTree<Map<string, number>>();
  #queuedBytes = 0;

  constructor(limits: KeptLimits) {
    this.#limits = limits;
  }

  /** Adds a subscription, beyond the bound of clients at the expense of the one that has been kept longest. */
  subscribe(clientId: string, filter: string, qos: number): void {
    const session = this.#sessions.get(clientId) ?? this.#open(clientId);
    if (session.filters.size >= this.#limits.subscriptions && !session.filters.has(filter)) return;
    session.filters.set(filter, qos);
    const clients = this.#subscribers.get(filter) ?? new Map<string, number>();
    clients.set(clientId, qos);
    this.#subscribers.set(filter, clients);
  }

  unsubscribe(clientId: string, filter: string): void {
    this.#sessions.get(clientId)?.filters.delete(filter);
    const clients = this.#subscribers.get(filter);
    clients?.delete(clientId);
    if (clients?.size === 0) this.#subscribers.delete(filter);
  }

  subscriptionsOf(clientId: string): Subscription[] {
    return [...(this.#sessions.get(clientId)?.filters ?? [])].map(([topic, qos]) => ({ topic, qos }));
  }

  subscribersOf(topic: string): (Subscription & { readonly clientId: string })[] {
    const found = this.#subscribers.matching(topic).flatMap((clients) => [...clients]);
    // One copy for a client however many of its filters match.
    return [...new Map(found)].map(([clientId, qos]) => ({ clientId, topic, qos }));
  }

  /** Keeps a message until it is acknowledged; nothing is kept beyond the bounds, correctness never depends on it. */
  enqueue(clientId: string, message: QueuedMessage): void {
    const queue = this.#sessions.get(clientId)?.queue;
    if (queue === undefined || this.#queuedBytes + message.payload.length > this.#limits.queuedBytesTotal) return;
    this.#counted(queue, () => queue.add(message));
  }

  markSent(clientId: string, brokerCounter: number, messageId: number | undefined): void {
    this.#sessions.get(clientId)?.queue.markSent(brokerCounter, messageId);
  }

  /** Forgets an acknowledged message. */
  acknowledge(clientId: string, messageId: number): QueuedMessage | undefined {
    const queue = this.#sessions.get(clientId)?.queue;
    return queue === undefined ? undefined : this.#counted(queue, () => queue.acknowledge(messageId));
  }

  waitingFor(clientId: string): QueuedMessage[] {
    return this.#sessions.get(clientId)?.queue.waiting() ?? [];
  }

  forget(clientId: string): void {
    const session = this.#sessions.get(clientId);
    if (session === undefined) return;
    for (const filter of session.filters.keys()) this.unsubscribe(clientId, filter);
    this.#queuedBytes -= session.queue.bytes;
    this.#sessions.delete(clientId);
  }

  #open(clientId: string): KeptSession {
    const [longestKept] = this.#sessions.keys();
    if (longestKept !== undefined && this.#sessions.size >= this.#limits.keptSessions) this.forget(longestKept);
    const { queuedMessages: messages, queuedBytes: bytes } = this.#limits;
    const session: KeptSession = { filters: new Map(), queue: new ClientQueue({ messages, bytes }) };
    this.#sessions.set(clientId, session);
    return session;
  }

  #counted<Result>(queue: ClientQueue, change: () => Result): Result {
    const before = queue.bytes;
    const result = change();
    this.#queuedBytes += queue.bytes - before;
    return result;
  }
}

type KeptLimits = Pick<
  BrokerLimits,
  "keptSessions" | "subscriptions" | "queuedMessages" | "queuedBytes" | "queuedBytesTotal"
>;

interface Subscription {
  readonly topic: string;
  readonly qos: number;
}

interface KeptSession {
  readonly filters: Map<string, number>;
  readonly queue: ClientQueue;
}
