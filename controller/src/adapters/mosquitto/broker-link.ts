import type { TLSSocket } from "node:tls";
import { FleetError } from "@fleetcert/shared";
import { type BrokerAddress, openBrokerSocket } from "./broker-socket.ts";
import {
  type BrokerPacket,
  confirmedPublishPacket,
  connectPacket,
  disconnectPacket,
  packetsIn,
  pingPacket,
  pubackPacket,
  type ReceivedPublish,
  subscribePacket,
} from "./mqtt-packets.ts";

/** A message on its way to the broker. */
export interface OutgoingMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
}

/** One session of the controller with an external broker, QoS 1 both ways. */
export interface BrokerLink {
  /** Resolves when the broker has acknowledged it, in the order of the calls. Rejects with `offline` when the session ends before. */
  publish(message: OutgoingMessage): Promise<void>;
  /** Throws `denied` when the broker refuses it, `offline`. */
  subscribe(filter: string): Promise<void>;
  /** Resolves when the session is over. */
  readonly ended: Promise<void>;
  /** Says goodbye and ends it; idempotent. */
  close(): void;
}

/** How a session is opened. */
export interface LinkOptions extends BrokerAddress {
  readonly clientId: string;
  /**
   * Takes one message; it is acknowledged when this resolves, so that what was acknowledged is durable (I10). Must not throw.
   * So many are under way at once at most; then nothing more is read.
   */
  readonly receive: (message: ReceivedPublish) => Promise<void>;
}

/**
 * Connects with a clean session: correctness never depends on the broker's queues. Throws `offline`, `denied` when the broker
 * refuses us, and what `verifyServer` throws.
 */
export async function openBrokerLink(options: LinkOptions): Promise<BrokerLink> {
  const link = new Link(await openBrokerSocket(options), options);
  try {
    await link.begin();
    return link;
  } catch (error) {
    link.close();
    throw error;
  }
}

class Link implements BrokerLink {
  readonly ended: Promise<void>;
  readonly #socket: TLSSocket;
  readonly #options: LinkOptions;
  readonly #connack = Promise.withResolvers<number>();
  /** What waits for the broker's word, by packet id. */
  readonly #waiting = new Map<number, PromiseWithResolvers<readonly number[]>>();
  readonly #keepAlive: NodeJS.Timeout;
  #lastId = 0;
  #receiving = 0;
  #heardAt = performance.now();
  #isOver = false;

  constructor(socket: TLSSocket, options: LinkOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#connack.promise.catch(() => undefined);
    this.#keepAlive = setInterval(() => this.#ping(), pingEveryMs);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    const read = packetsIn((packet) => this.#take(packet));
    socket.on("data", (chunk: Buffer) => {
      this.#heardAt = performance.now();
      try {
        read(chunk);
      } catch {
        socket.destroy();
      }
    });
    socket.on("close", () => {
      this.#over();
      resolve();
    });
  }

  async begin(): Promise<void> {
    this.#socket.write(connectPacket(this.#options.clientId, undefined));
    const code = await withPatience(this.#connack.promise);
    if (code !== 0) throw new FleetError("denied", `the broker refuses this controller with CONNACK code ${code}`);
  }

  async subscribe(filter: string): Promise<void> {
    const codes = await withPatience(this.#ask((packetId) => subscribePacket(filter, { packetId, qos: 1 })));
    if (codes.some((one) => one > 2)) throw new FleetError("denied", `the broker refuses to subscribe ${filter}`);
  }

  async publish(message: OutgoingMessage): Promise<void> {
    await this.#ask((packetId) => confirmedPublishPacket({ ...message, packetId }));
  }

  close(): void {
    if (!this.#isOver) this.#socket.write(disconnectPacket);
    this.#socket.destroy();
  }

  #ask(packetOf: (packetId: number) => Uint8Array): Promise<readonly number[]> {
    if (this.#isOver) return Promise.reject(over());
    if (this.#waiting.size >= maxWaiting) {
      return Promise.reject(
        new FleetError("rate-limited", `${maxWaiting} messages wait for the broker`, { retry: true }),
      );
    }
    do this.#lastId = (this.#lastId % 0xffff) + 1;
    while (this.#waiting.has(this.#lastId));
    const answer = Promise.withResolvers<readonly number[]>();
    this.#waiting.set(this.#lastId, answer);
    this.#socket.write(packetOf(this.#lastId));
    return answer.promise;
  }

  #take(packet: BrokerPacket): void {
    switch (packet.type) {
      case "connack":
        this.#connack.resolve(packet.code);
        return;
      case "puback":
      case "suback":
        this.#waiting.get(packet.packetId)?.resolve(packet.type === "suback" ? packet.codes : []);
        this.#waiting.delete(packet.packetId);
        return;
      case "publish":
        void this.#receive(packet);
        return;
      case "pingresp":
        return;
    }
  }

  async #receive(message: ReceivedPublish): Promise<void> {
    this.#receiving += 1;
    if (this.#receiving >= maxReceiving) this.#socket.pause();
    try {
      await this.#options.receive(message);
      if (message.packetId !== undefined && !this.#isOver) this.#socket.write(pubackPacket(message.packetId));
    } finally {
      this.#receiving -= 1;
      if (this.#receiving < maxReceiving / 2) this.#socket.resume();
    }
  }

  #ping(): void {
    // While nothing is read because much is under way, silence says nothing about the broker.
    const isSilent = performance.now() - this.#heardAt > silenceMs && this.#receiving < maxReceiving / 2;
    if (isSilent) this.#socket.destroy();
    else this.#socket.write(pingPacket);
  }

  #over(): void {
    this.#isOver = true;
    clearInterval(this.#keepAlive);
    this.#connack.reject(over());
    for (const { reject, promise } of this.#waiting.values()) {
      promise.catch(() => undefined);
      reject(over());
    }
    this.#waiting.clear();
  }
}

const over = (): FleetError => new FleetError("offline", "the session with the external broker ended", { retry: true });

async function withPatience<T>(answer: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new FleetError("timeout", "the external broker does not answer", { retry: true })),
    answerPatienceMs,
  );
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

const maxReceiving = 256;
const maxWaiting = 10_000;
const answerPatienceMs = 10_000;
/** CONNECT says 60 s. */
const pingEveryMs = 20_000;
const silenceMs = 50_000;
