/** Milliseconds since the Unix epoch, UTC. */
export type Instant = number;

/** A span of time in milliseconds. */
export type Duration = number;

/** Where the present comes from; only adapters implement it, tests use a manual one. */
export interface Clock {
  now(): Instant;
  /** Milliseconds that only grow, unrelated to any date. */
  monotonic(): Duration;
}
