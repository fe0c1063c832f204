import type { Clock, Duration } from "@fleetcert/shared";

/**
 * Keeps what was found by reading the whole fleet for nine times as long as that took, so that however often it is asked for, by
 * clocks, dashboards or many people, it takes at most a tenth of the time. Whoever asks while it is being found shares it.
 */
export class Sparing<T> {
  readonly #clock: Pick<Clock, "monotonic">;
  #kept: { readonly about: string; readonly found: Promise<T>; until: Duration } | undefined;

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** What is known about it, or found now. A failure is not kept. */
  async find(about: string, read: () => Promise<T>): Promise<T> {
    const began = this.#clock.monotonic();
    if (this.#kept?.about === about && began < this.#kept.until) return await this.#kept.found;
    const kept = { about, found: read(), until: Number.POSITIVE_INFINITY };
    this.#kept = kept;
    try {
      const found = await kept.found;
      const ended = this.#clock.monotonic();
      kept.until = ended + keptTimes * (ended - began);
      return found;
    } catch (error) {
      kept.until = began;
      throw error;
    }
  }
}

const keptTimes = 9;
