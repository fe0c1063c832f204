import type { Clock, Duration } from "@fleetcert/shared";

/** Bounds how many refusals one peer may cause to be answered and audited; what is beyond is only counted. */
export class RefusalBudget {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, { readonly tokens: number; readonly at: Duration }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether one more refusal of this peer may cost an answer and an audit entry. */
  take(peer: string): boolean {
    const now = this.#clock.monotonic();
    const bucket = this.#buckets.get(peer) ?? { tokens: burst, at: now };
    const tokens = Math.min(burst, bucket.tokens + (now - bucket.at) / refill);
    this.#buckets.delete(peer);
    this.#buckets.set(peer, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
    if (this.#buckets.size > maxPeers) this.#forgetOldest();
    return tokens >= 1;
  }

  #forgetOldest(): void {
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}

const burst = 20;
/** One refusal more every five seconds. */
const refill: Duration = 5_000;
const maxPeers = 100_000;
