import type { Duration } from "@fleetcert/shared";
import type { Timer } from "../../agent/src/ports.ts";
import type { ManualClock } from "./manual-clock.ts";

/** A timer on a manual clock: sleepers wake in order as the clock moves on, and what follows from each runs first. */
export class ManualTimer implements Timer {
  readonly #clock: ManualClock;
  readonly #sleepers = new Set<{ readonly due: Duration; readonly wake: () => void }>();

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  sleep(duration: Duration, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const finish = (act: () => void) => {
        this.#sleepers.delete(sleeper);
        signal.removeEventListener("abort", onAbort);
        act();
      };
      const onAbort = () => finish(() => reject(signal.reason));
      const sleeper = { due: this.#clock.monotonic() + duration, wake: () => finish(resolve) };
      this.#sleepers.add(sleeper);
      signal.addEventListener("abort", onAbort);
    });
  }

  /** Lets time pass. */
  async advance(duration: Duration): Promise<void> {
    const end = this.#clock.monotonic() + duration;
    await settled();
    for (let next = this.#next(); next !== undefined && next.due <= end; next = this.#next()) {
      this.#clock.advance(Math.max(0, next.due - this.#clock.monotonic()));
      next.wake();
      await settled();
    }
    this.#clock.advance(end - this.#clock.monotonic());
    await settled();
  }

  /** Lets time pass until something is the case; fails after `atMost`. */
  async until(isSo: () => boolean, atMost: Duration): Promise<void> {
    const end = this.#clock.monotonic() + atMost;
    await settled();
    while (!isSo()) {
      const next = this.#next();
      if (next === undefined || next.due > end) throw new Error(`did not come to be within ${atMost} ms`);
      this.#clock.advance(Math.max(0, next.due - this.#clock.monotonic()));
      next.wake();
      await settled();
    }
  }

  #next() {
    return [...this.#sleepers].sort((a, b) => a.due - b.due)[0];
  }
}

/** Lets everything run that waits for nothing but promises. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
}
