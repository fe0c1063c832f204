import type { Duration } from "@fleetcert/shared";

/**
 * Lets a few TLS handshakes go on at once and the others wait, in the order they came. All at once would each get a share of the
 * processor and none would be done before its client has given up: the work would be for nothing, and done again. Whoever leaves
 * while waiting has cost nothing. One that is slow holds its turn for a moment only, so that nobody can keep the others waiting.
 */
export class HandshakeLane {
  readonly #limits: { readonly atOnce: number; readonly holdsFor: Duration };
  readonly #schedule: (act: () => void, after: Duration) => void;
  readonly #waiting = new Set<() => void>();
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
    let state: "waiting" | "running" | "over" = "waiting";
    const take = (): void => {
      state = "running";
      this.#running += 1;
      this.#schedule(leave, this.#limits.holdsFor);
      begin();
    };
    const leave = (): void => {
      this.#waiting.delete(take);
      const wasRunning = state === "running";
      state = "over";
      if (!wasRunning) return;
      this.#running -= 1;
      this.#next();
    };
    this.#waiting.add(take);
    this.#next();
    return leave;
  }

  #next(): void {
    while (this.#running < this.#limits.atOnce) {
      const [next] = this.#waiting;
      if (next === undefined) return;
      this.#waiting.delete(next);
      next();
    }
  }
}
