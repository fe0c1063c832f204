import type { Clock, Duration, Instant } from "@fleetcert/shared";

/** A clock that a test moves; its two hands can be moved apart. */
export class ManualClock implements Clock {
  #wall: Instant;
  #elapsed: Duration = 0;

  constructor(wall: Instant) {
    this.#wall = wall;
  }

  now(): Instant {
    return this.#wall;
  }

  monotonic(): Duration {
    return this.#elapsed;
  }

  /** Time passes. */
  advance(duration: Duration): void {
    this.#wall += duration;
    this.#elapsed += duration;
  }

  /** Somebody sets the wall clock. */
  jump(by: Duration): void {
    this.#wall += by;
  }
}
