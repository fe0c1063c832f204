import { FleetError } from "@fleetcert/shared";
import type { StateStore } from "../ports.ts";

/**
 * The counter of a stream, reserved in durable blocks: a number is given out once, also across power cuts, and one write serves a
 * thousand messages. What a crash leaves of a block is skipped; gaps are normal.
 */
export class SequenceBlocks {
  readonly #store: StateStore;
  readonly #key: string;
  #last: number;
  #reserved: number;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(store: StateStore, key: string, reserved: number) {
    this.#store = store;
    this.#key = key;
    this.#last = reserved;
    this.#reserved = reserved;
  }

  /** Throws `store-corrupt` when what the store holds is no number. */
  static async open(store: StateStore, stream: string): Promise<SequenceBlocks> {
    const key = `sequence/${stream}`;
    const bytes = await store.read(key);
    const reserved = bytes === undefined ? 0 : Number(new TextDecoder().decode(bytes));
    if (!Number.isSafeInteger(reserved) || reserved < 0) {
      throw new FleetError("store-corrupt", `the reserved sequence of stream ${stream} cannot be read`);
    }
    return new SequenceBlocks(store, key, reserved);
  }

  /** The next number, larger than every one before it. */
  next(): Promise<number> {
    const turn = this.#turn.then(() => this.#take());
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #take(): Promise<number> {
    if (this.#last === this.#reserved) {
      const reserved = this.#reserved + blockSize;
      await this.#store.write([{ put: this.#key, value: new TextEncoder().encode(String(reserved)) }]);
      this.#reserved = reserved;
    }
    this.#last += 1;
    return this.#last;
  }
}

const blockSize = 1000;
