import { FleetError } from "@fleetcert/shared";

/** Lets work of the same key run one after the other, in the order it came; work of different keys does not wait. */
export class Turns {
  readonly #last = new Map<string, { readonly done: Promise<unknown>; readonly waiting: number }>();
  readonly #maxWaiting: number;

  constructor({ maxWaiting }: { readonly maxWaiting: number }) {
    this.#maxWaiting = maxWaiting;
  }

  /** Runs the work when everything before it with this key has ended. Throws `rate-limited` when too much waits. */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const waiting = (before?.waiting ?? 0) + 1;
    if (waiting > this.#maxWaiting) {
      throw new FleetError("rate-limited", `${waiting} requests for ${key} wait already`, { retry: true });
    }
    const turn = (before?.done ?? Promise.resolve()).then(work);
    const done = turn.catch(() => undefined).then(() => this.#leave(key));
    this.#last.set(key, { done, waiting });
    return await turn;
  }

  #leave(key: string): void {
    const entry = this.#last.get(key);
    if (entry === undefined || entry.waiting <= 1) this.#last.delete(key);
    else this.#last.set(key, { ...entry, waiting: entry.waiting - 1 });
  }
}
