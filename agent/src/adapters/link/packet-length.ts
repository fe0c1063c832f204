import { FleetError } from "@fleetcert/shared";

/**
 * Follows the framing of an MQTT stream (MQTT 3.1.1 §2.2) without keeping any of it, so that a packet's length is known before
 * anybody collects it.
 */
export class PacketLengths {
  readonly #limit: number;
  /** Octets of the present packet's body still to come. */
  #body = 0;
  #length = 0;
  /** Octets of the present fixed header seen: 0 is the type, the rest is the length. */
  #header = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Looks at the next octets. Throws `message-too-large` or `message-invalid`. */
  follow(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#body > 0) {
        const skipped = Math.min(this.#body, chunk.length - at);
        this.#body -= skipped;
        at += skipped;
      } else {
        this.#readHeader(chunk[at] ?? 0);
        at += 1;
      }
    }
  }

  #readHeader(octet: number): void {
    this.#header += 1;
    if (this.#header === 1) return;
    this.#length += (octet & 0x7f) * 128 ** (this.#header - 2);
    if (this.#length > this.#limit) {
      throw new FleetError(
        "message-too-large",
        `the broker sends a packet of ${this.#length} bytes or more, limit ${this.#limit}`,
      );
    }
    if (octet >= 0x80 && this.#header > 4) throw new FleetError("message-invalid", "the broker does not speak MQTT");
    if (octet >= 0x80) return;
    this.#body = this.#length;
    this.#header = 0;
    this.#length = 0;
  }
}
