import { FleetError } from "@fleetcert/shared";

/** One whole MQTT control packet as it stood in the stream. */
export interface Frame {
  /** First octet: type and flags. */
  readonly header: number;
  /** What follows the remaining length. */
  readonly body: Uint8Array;
  /** All of it. */
  readonly bytes: Uint8Array;
}

/** How long a body may be (remaining length, octets): the first one's, and later a PUBLISH's and any other's. */
export interface FrameLimits {
  readonly connectBytes: number;
  readonly controlBytes: number;
  readonly publishBytes: number;
}

/**
 * Cuts a byte stream into packets and refuses what no parser should see: a first packet that is not CONNECT, a first
 * octet no 3.1.1 client may send, a remaining length that is malformed or above its bound. What it answers depends on
 * the bytes alone, never on how they were chunked. It holds one packet at most beside the last chunk.
 */
export class PacketSplitter {
  readonly #limits: FrameLimits;
  #buffer: Uint8Array = nothing;
  #start = 0;
  #end = 0;
  #count = 0;

  constructor(limits: FrameLimits) {
    this.#limits = limits;
  }

  /** Octets taken over that belong to no packet handed out yet. */
  get waiting(): number {
    return this.#end - this.#start;
  }

  /** Takes bytes over; they are not copied as long as nothing is left of earlier ones. */
  push(chunk: Uint8Array): void {
    const held = this.waiting;
    if (held === 0) {
      this.#buffer = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      return;
    }
    // Packets handed out are views, so nothing is ever moved inside a buffer; doubling keeps one-octet chunks linear.
    if (this.#end + chunk.length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(held + chunk.length, 2 * held));
      grown.set(this.#held());
      this.#buffer = grown;
      this.#start = 0;
      this.#end = held;
    }
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /**
   * The next whole packet, or undefined until more bytes come.
   *
   * @throws FleetError `message-invalid`, `message-too-large`; the stream is of no use afterwards
   */
  next(): Frame | undefined {
    const held = this.#held();
    const size = this.#sizeOf(held);
    if (size === undefined || held.length < size.total) {
      this.#letGo();
      return undefined;
    }
    const bytes = held.subarray(0, size.total);
    this.#start += size.total;
    this.#count++;
    return { header: bytes[0] ?? 0, body: bytes.subarray(size.total - size.body), bytes };
  }

  #sizeOf(held: Uint8Array): { readonly body: number; readonly total: number } | undefined {
    const header = held[0];
    if (header === undefined) return undefined;
    if (this.#count === 0 && header !== connect)
      throw invalid(`first packet starts with 0x${hex(header)}, not CONNECT`);
    if (!isClientHeader(header)) throw invalid(`0x${hex(header)} starts no packet a client may send`);
    let body = 0;
    for (let at = 1; at <= maxLengthOctets; at++) {
      const octet = held[at];
      if (octet === undefined) return undefined;
      body += (octet & 0x7f) * 128 ** (at - 1);
      if (octet >= 0x80) continue;
      // Two spellings of one length are two chances for two parsers to disagree.
      if (octet === 0 && at > 1) throw invalid("remaining length is not written in the shortest form");
      this.#checkSize(header, body);
      return { body, total: 1 + at + body };
    }
    throw invalid("remaining length takes more than 4 octets"); // MQTT 3.1.1 §2.2.3
  }

  #checkSize(header: number, body: number): void {
    const { connectBytes, publishBytes, controlBytes } = this.#limits;
    const laterLimit = header >> 4 === publishType ? publishBytes : controlBytes;
    const limit = this.#count === 0 ? connectBytes : laterLimit;
    if (body > limit) {
      throw new FleetError("message-too-large", `MQTT packet 0x${hex(header)} of ${body} octets, limit ${limit}`);
    }
  }

  #held(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** A few waiting octets must not keep a whole network buffer alive. */
  #letGo(): void {
    const held = this.waiting;
    if (this.#buffer.length <= 2 * held + slack) return;
    this.#buffer = this.#held().slice();
    this.#start = 0;
    this.#end = held;
  }
}

/** MQTT 3.1.1 §2.2.2: the flags each type must have; PUBLISH has its own and is judged whole. */
function isClientHeader(header: number): boolean {
  return header >> 4 === publishType || fixedHeaders.has(header);
}

const connect = 0x10;
const publishType = 3;
/** CONNECT, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT. */
const fixedHeaders: ReadonlySet<number> = new Set([0x10, 0x40, 0x50, 0x62, 0x70, 0x82, 0xa2, 0xc0, 0xe0]);
const maxLengthOctets = 4;
const slack = 64;
const nothing = new Uint8Array(0);
const hex = (octet: number): string => octet.toString(16).padStart(2, "0");
const invalid = (what: string): FleetError => new FleetError("message-invalid", `MQTT: ${what}`);
