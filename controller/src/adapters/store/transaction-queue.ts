import { AsyncLocalStorage } from "node:async_hooks";
import { FleetError } from "@fleetcert/shared";

/**
 * Runs transactions one after the other, in the order in which they were asked for.
 *
 * One that is started inside another would wait for itself for ever, so it is refused with `internal`. Throws `store-failed`
 * once closed and `rate-limited` when too many wait (every queue has a bound).
 */
export class TransactionQueue {
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #isClosed = false;
  readonly #inside = new AsyncLocalStorage<Turn>();

  async run<T>(work: (turn: Turn) => Promise<T>): Promise<T> {
    if (this.#inside.getStore()?.isOver === false) {
      throw new FleetError("internal", "a transaction was started inside another one");
    }
    if (this.#isClosed) throw new FleetError("store-failed", "the store is closed");
    if (this.#waiting >= maxWaiting) {
      throw new FleetError("rate-limited", `${this.#waiting} transactions wait for the store already`, { retry: true });
    }
    this.#waiting += 1;
    const result = this.#tail.then(() => this.#take(work));
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** Refuses new transactions and resolves when those that wait are done. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#tail;
  }

  async #take<T>(work: (turn: Turn) => Promise<T>): Promise<T> {
    const turn = new Turn();
    this.#waiting -= 1;
    try {
      return await this.#inside.run(turn, () => work(turn));
    } finally {
      turn.end();
    }
  }
}

/** The life of one transaction; its tables must not be used after it. */
export class Turn {
  #isOver = false;

  get isOver(): boolean {
    return this.#isOver;
  }

  end(): void {
    this.#isOver = true;
  }

  /** Throws `internal` when the transaction has ended. */
  check(): void {
    if (this.#isOver) throw new FleetError("internal", "a transaction was used after its end");
  }
}

const maxWaiting = 65_536;
