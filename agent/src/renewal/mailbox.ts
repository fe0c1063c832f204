/** A queue with one reader that waits. */
export class Mailbox<T> {
  readonly #items: T[] = [];
  #isClosed = false;
  #wake: (() => void) | undefined;

  put(item: T): void {
    this.#items.push(item);
    this.#wake?.();
  }

  /** The oldest item, waited for; undefined once the mailbox is closed, whatever it still holds. */
  async take(): Promise<T | undefined> {
    while (this.#items.length === 0 && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#isClosed ? undefined : this.#items.shift();
  }

  holds(matches: (item: T) => boolean): boolean {
    return this.#items.some(matches);
  }

  close(): void {
    this.#isClosed = true;
    this.#wake?.();
  }
}
