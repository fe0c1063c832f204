/** A message as aedes hands it over and takes it back; `brokerCounter` numbers it, `messageId` once it was sent. */
export interface QueuedMessage {
  readonly cmd: "publish";
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: number;
  readonly retain: boolean;
  readonly dup: boolean;
  readonly brokerId: string;
  readonly brokerCounter: number;
  readonly messageId: number | undefined;
}

/** The messages one client has not acknowledged, oldest first; beyond its bounds the oldest is given up. */
export class ClientQueue {
  readonly #bounds: { readonly messages: number; readonly bytes: number };
  readonly #messages = new Map<number, QueuedMessage>();
  #bytes = 0;

  constructor(bounds: { readonly messages: number; readonly bytes: number }) {
    this.#bounds = bounds;
  }

  /** Octets of topics and payloads held. */
  get bytes(): number {
    return this.#bytes;
  }

  add(message: QueuedMessage): void {
    const size = sizeOf(message);
    if (size > this.#bounds.bytes) return;
    this.#messages.set(message.brokerCounter, { ...message, messageId: undefined });
    this.#bytes += size;
    for (const oldest of this.#messages.values()) {
      if (this.#messages.size <= this.#bounds.messages && this.#bytes <= this.#bounds.bytes) return;
      this.#remove(oldest);
    }
  }

  /** Remembers under which packet id a message was sent; a message given up meanwhile is no error. */
  markSent(brokerCounter: number, messageId: number | undefined): void {
    const message = this.#messages.get(brokerCounter);
    if (message !== undefined) this.#messages.set(brokerCounter, { ...message, messageId });
  }

  acknowledge(messageId: number): QueuedMessage | undefined {
    for (const message of this.#messages.values()) {
      if (message.messageId === messageId) return this.#remove(message);
    }
    return undefined;
  }

  /** What a returning client gets; the duplicate flag marks what it may have seen (MQTT-3.3.1-1). */
  waiting(): QueuedMessage[] {
    return [...this.#messages.values()].map((message) => ({ ...message, dup: message.messageId !== undefined }));
  }

  #remove(message: QueuedMessage): QueuedMessage {
    this.#messages.delete(message.brokerCounter);
    this.#bytes -= sizeOf(message);
    return message;
  }
}

const sizeOf = (message: QueuedMessage): number => message.topic.length + message.payload.length;
