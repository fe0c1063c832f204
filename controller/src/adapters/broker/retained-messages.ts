import { FleetError } from "@fleetcert/shared";
import type { QueuedMessage } from "./client-queue.ts";
import { TopicTree } from "./topic-tree.ts";

/** The last message of every retained topic, in memory; the controller publishes them again after a restart. */
export class RetainedMessages {
  readonly #maxBytes: number;
  readonly #messages = new TopicTree<QueuedMessage>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Replaces a topic's message; an empty payload clears the topic.
   *
   * @throws FleetError `store-failed` when all of them would take more octets than the limit
   */
  store(message: QueuedMessage): void {
    const bytes = this.#bytes + sizeOf(message) - sizeOf(this.#messages.get(message.topic));
    if (bytes > this.#maxBytes && message.payload.length > 0) {
      throw new FleetError("store-failed", `retained messages would take ${bytes} octets, limit ${this.#maxBytes}`, {
        hint: "raise the broker's limit of retained octets or clear superseded topics",
      });
    }
    this.#bytes = bytes;
    if (message.payload.length === 0) this.#messages.delete(message.topic);
    else this.#messages.set(message.topic, message);
  }

  /** The messages of the topics a filter matches. */
  under(filter: string): QueuedMessage[] {
    return this.#messages.under(filter);
  }
}

const sizeOf = (message: QueuedMessage | undefined): number =>
  message === undefined || message.payload.length === 0 ? 0 : message.topic.length + message.payload.length;
