import type { Duplex } from "node:stream";
import { type ConnectWishes, connectPacket } from "./mqtt-packets.ts";

/** A packet from the broker. */
export interface BrokerPacket {
  readonly header: number;
  readonly body: Buffer;
}

/**
 * An MQTT client without manners: it sends what a test gives it and hands over what comes back, packet by packet. It
 * reads by itself unless it is told not to.
 */
export class RawMqttClient {
  readonly stream: Duplex;
  /** Resolves when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>;
  #received: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  #isClosed = false;
  #wake: (() => void) | undefined;

  constructor(stream: Duplex) {
    this.stream = stream;
    this.closed = new Promise((resolve) => {
      stream.once("close", () => {
        this.#isClosed = true;
        this.#wake?.();
        resolve();
      });
    });
    stream.on("error", () => undefined);
    // The broker's end is the end: nothing of ours is left to be said.
    stream.on("end", () => stream.destroy());
    stream.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(...packets: readonly Uint8Array[]): void {
    if (this.stream.writable) this.stream.write(Buffer.concat(packets));
  }

  /** The next packet, or undefined when the connection closed before one came. */
  async next(): Promise<BrokerPacket | undefined> {
    for (;;) {
      const found = this.#take();
      if (found !== undefined) return found;
      if (this.#isClosed) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The next packet with this first octet; others are passed over. */
  async nextOf(header: number): Promise<BrokerPacket | undefined> {
    for (;;) {
      const found = await this.next();
      if (found === undefined || found.header === header) return found;
    }
  }

  /** Sends CONNECT; resolves with CONNACK's return code, or undefined when the connection closed instead. */
  async connect(wishes: ConnectWishes): Promise<number | undefined> {
    this.send(connectPacket(wishes));
    const connack = await this.next();
    return connack?.header === 0x20 ? connack.body[1] : undefined;
  }

  /** The next PUBLISH, taken apart. */
  async nextMessage(): Promise<ReceivedMessage | undefined> {
    for (;;) {
      const found = await this.next();
      if (found === undefined) return undefined;
      if (found.header >> 4 === 3) return readMessage(found);
    }
  }

  #take(): BrokerPacket | undefined {
    const size = packetSize(this.#received);
    if (size === undefined || this.#received.length < size.total) return undefined;
    const packet = this.#received.subarray(0, size.total);
    this.#received = this.#received.subarray(size.total);
    return { header: packet[0] ?? 0, body: packet.subarray(size.total - size.body) };
  }
}

/** A PUBLISH as a subscriber sees it. */
export interface ReceivedMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly retain: boolean;
  readonly packetId: number | undefined;
}

function readMessage({ header, body }: BrokerPacket): ReceivedMessage {
  const end = 2 + body.readUInt16BE(0);
  const hasId = (header & 6) !== 0;
  return {
    topic: body.subarray(2, end).toString(),
    payload: body.subarray(hasId ? end + 2 : end),
    retain: (header & 1) !== 0,
    packetId: hasId ? body.readUInt16BE(end) : undefined,
  };
}

function packetSize(bytes: Buffer): { readonly body: number; readonly total: number } | undefined {
  let body = 0;
  for (let at = 1; at < bytes.length; at++) {
    const octet = bytes[at] ?? 0;
    body += (octet & 0x7f) * 128 ** (at - 1);
    if (octet < 0x80) return { body, total: 1 + at + body };
  }
  return undefined;
}
