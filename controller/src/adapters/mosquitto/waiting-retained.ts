import type { OutgoingMessage } from "./broker-link.ts";

/**
 * Retained messages that could not be handed over, the newest of each topic. What is not retained is forgotten: nobody is
 * connected to a broker that is away, and devices ask again.
 */
export class WaitingRetained {
  readonly #messages = new Map<string, OutgoingMessage>();

  /** Keeps it for later; the oldest goes when there are too many. */
  keep(message: OutgoingMessage): void {
    if (!message.retain) return;
    this.#messages.delete(message.topic);
    this.#messages.set(message.topic, message);
    if (this.#messages.size <= maxTopics) return;
    const [oldest = ""] = this.#messages.keys();
    this.#messages.delete(oldest);
  }

  /** Hands all over in order, also what comes meanwhile. What fails stays, unless something newer took its place. */
  async handOver(publish: (message: OutgoingMessage) => Promise<void>): Promise<void> {
    for (let [message] = this.#messages.values(); message !== undefined; [message] = this.#messages.values()) {
      await publish(message);
      if (this.#messages.get(message.topic) === message) this.#messages.delete(message.topic);
    }
  }
}

/** Everything a device misses beyond is repeated when it is heard again. */
const maxTopics = 100_000;
