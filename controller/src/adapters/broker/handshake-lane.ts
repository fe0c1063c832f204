import type { Duration } from "@fleetcert/shared";

/**
 * Lets a few TLS handshakes go on at once and the others wait. All at once would each get a share of the processor and none would be
 * done before its client has given up: the work would be for nothing, and done again. Whoever leaves while waiting has cost nothing.
 *
 * Who came last goes first: where some wait for long, the others are about to give up, and would just when they are served. They
 * come back, and are the last then. One that is slow holds its turn for a moment only, so that nobody can keep the others waiting.
 */
export class HandshakeLane {
  readonly #limits: { readonly atOnce: number; readonly holdsFor: Duration };
  readonly #schedule: (act: () => void, after: Duration) => void;
  /** Those that left stay in it until they are met, or are more than the others. */
  #waiting: Entry[] = [];
  #gone = 0;
  #running = 0;

  constructor(
    limits: { readonly atOnce: number; readonly holdsFor: Duration },
    schedule: (act: () => void, after: Duration) => void,
  ) {
    this.#limits = limits;
    this.#schedule = schedule;
  }

  /** Calls `begin` when it is its turn, at once where there is room. The result is to be called when it is over, or its client is gone. */
  enter(begin: () => void): () => void {
    const entry: Entry = { state: "waiting", begin };
    this.#waiting.push(entry);
    this.#next();
    return () => this.#leave(entry);
  }

  #leave(entry: Entry): void {
    const { state } = entry;
    entry.state = "over";
    if (state === "running") {
      this.#running -= 1;
      this.#next();
    } else if (state === "waiting") {
      this.#gone += 1;
      if (this.#gone * 2 > this.#waiting.length) this.#forgetGone();
    }
  }

  #next(): void {
    while (this.#running < this.#limits.atOnce) {
      const next = this.#waiting.pop();
      if (next === undefined) return;
      if (next.state === "over") {
        this.#gone -= 1;
        continue;
      }
      next.state = "running";
      this.#running += 1;
      this.#schedule(() => this.#leave(next), this.#limits.holdsFor);
      next.begin();
    }
  }

  #forgetGone(): void {
    this.#waiting = this.#waiting.filter(({ state }) => state === "waiting");
    this.#gone = 0;
  }
}

interface Entry {
  state: "waiting" | "running" | "over";
  readonly begin: () => void;
}
