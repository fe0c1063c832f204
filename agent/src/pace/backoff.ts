import type { Duration } from "@fleetcert/shared";

/** How long to wait after failures. */
export interface BackoffSettings {
  readonly base: Duration;
  readonly cap: Duration;
}

/**
 * Capped exponential backoff with full jitter: uniform in [0, min(cap, base · 2^attempts)), at least `retryAfter`.
 * Source: AWS Architecture Blog, "Exponential Backoff And Jitter"; full jitter gives the least work for a herd.
 */
export function backoff(
  { base, cap }: BackoffSettings,
  {
    attempts,
    jitter,
    retryAfter = 0,
  }: { readonly attempts: number; readonly jitter: number; readonly retryAfter?: Duration },
): Duration {
  const ceiling = Math.min(cap, base * 2 ** Math.min(attempts, 30));
  return Math.min(retryAfter, maxRetryAfter) + Math.floor(jitter * ceiling);
}

/** What another side asks us to wait is heard up to a day, so that no answer silences a device for good. */
const maxRetryAfter: Duration = 86_400_000;
