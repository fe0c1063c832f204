import type { Log } from "../ports.ts";

/**
 * What came in on one session and waits for its handlers: in order, one after the other. Until the session is ready only trust
 * may pass, because a new command key may be needed to believe the very time the session waits for.
 */
export class Inbox {
  readonly #log: Log;
  #turn: Promise<void> = Promise.resolve();
  #held: (() => Promise<void>)[] | undefined = [];
  #waiting = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Handles something at once, or after {@link Inbox.release}. False when too much is waiting and it was not taken. */
  put(handle: () => Promise<void>, options: { readonly isTrust: boolean }): boolean {
    if (this.#waiting >= maxWaiting) return false;
    this.#waiting += 1;
    if (this.#held === undefined || options.isTrust) this.#enqueue(handle);
    else this.#held.push(handle);
    return true;
  }

  /** The session is ready: `first` is handled, then what was held, then whatever comes. */
  release(first: () => Promise<void>): void {
    this.#waiting += 1;
    this.#enqueue(first);
    for (const handle of this.#held ?? []) this.#enqueue(handle);
    this.#held = undefined;
  }

  #enqueue(handle: () => Promise<void>): void {
    this.#turn = this.#turn
      .then(handle)
      .catch((error: unknown) => this.#log.warn({ error }, "incoming message not handled"))
      .then(() => {
        this.#waiting -= 1;
      });
  }
}

/** A retained head of each issuer and the parts one duty asked for; far more is a flood. */
const maxWaiting = 2048;
