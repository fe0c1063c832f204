import { Readable } from "node:stream";
import type { BrokerLimits } from "./broker-limits.ts";
import type { QueuedMessage } from "./client-queue.ts";
import { KeptSessions } from "./kept-sessions.ts";
import { RetainedMessages } from "./retained-messages.ts";

/**
 * Aedes' persistence in memory with a bound on everything. The one aedes brings scans every retained topic at each
 * SUBSCRIBE, keeps subscriptions that were refused, and queues without limit. QoS 2 and wills never get this far.
 */
export class BoundedPersistence {
  readonly #retained: RetainedMessages;
  readonly #kept: KeptSessions;
  readonly #maySubscribe: (clientId: string, filter: string) => boolean;
  #nextReader: RetainedReader = { begins: () => undefined, takesMore: async () => true, ends: () => undefined };

  constructor(limits: BrokerLimits, maySubscribe: (clientId: string, filter: string) => boolean) {
    this.#retained = new RetainedMessages(limits.retainedBytes);
    this.#kept = new KeptSessions(limits);
    this.#maySubscribe = maySubscribe;
  }

  async setup(): Promise<void> {}

  async storeRetained(message: QueuedMessage): Promise<void> {
    this.#retained.store({ ...message });
  }

  /** Says who the next retained messages are for: aedes asks for them right after it announces a SUBSCRIBE. */
  readRetainedBy(reader: RetainedReader): void {
    this.#nextReader = reader;
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    const found = new Set(filters.flatMap((filter) => this.#retained.under(filter)));
    this.#nextReader.begins();
    return Readable.from(paced(found, this.#nextReader));
  }

  async addSubscriptions({ id }: Named, subscriptions: readonly { topic: string; qos: number }[]): Promise<void> {
    for (const { topic, qos } of subscriptions) {
      if (this.#maySubscribe(id, topic)) this.#kept.subscribe(id, topic, qos);
    }
  }

  async removeSubscriptions({ id }: Named, filters: readonly string[]): Promise<void> {
    for (const filter of filters) this.#kept.unsubscribe(id, filter);
  }

  async subscriptionsByClient({ id }: Named): Promise<unknown[]> {
    return this.#kept.subscriptionsOf(id);
  }

  async subscriptionsByTopic(topic: string): Promise<unknown[]> {
    return this.#kept.subscribersOf(topic);
  }

  async cleanSubscriptions({ id }: Named): Promise<void> {
    this.#kept.forget(id);
  }

  async outgoingEnqueueCombi(subscribers: readonly { clientId: string }[], message: QueuedMessage): Promise<void> {
    for (const { clientId } of subscribers) this.#kept.enqueue(clientId, message);
  }

  async outgoingUpdate({ id }: Named, message: QueuedMessage): Promise<void> {
    this.#kept.markSent(id, message.brokerCounter, message.messageId);
  }

  /** Aedes also strikes off what it was told not to forward; only an acknowledgement counts here. */
  async outgoingClearMessageId({ id }: Named, { messageId }: { readonly messageId?: number }): Promise<unknown> {
    return messageId === undefined ? undefined : this.#kept.acknowledge(id, messageId);
  }

  outgoingStream({ id }: Named): Readable {
    return Readable.from(this.#kept.waitingFor(id));
  }

  async delWill(): Promise<void> {}

  streamWill(): Readable {
    return Readable.from([]);
  }
}

/** A client that retained messages are handed to no faster than it takes them. */
export interface RetainedReader {
  begins(): void;
  /** Resolves when it can take one more: with false when it is gone. */
  takesMore(): Promise<boolean>;
  /** It got all, or is gone. */
  ends(): void;
}

async function* paced(messages: Iterable<QueuedMessage>, reader: RetainedReader): AsyncGenerator<QueuedMessage> {
  try {
    for (const message of messages) {
      if (!(await reader.takesMore())) return;
      yield message;
    }
  } finally {
    reader.ends();
  }
}

interface Named {
  readonly id: string;
}
