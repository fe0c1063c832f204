import type { Duration, Instant } from "@fleetcert/shared";

/**
 * The thisUpdate of a list, in whole seconds: backdated like certificates, for readers whose clock is behind, and later than
 * the list's before by a second at least. Software that adds lists to those it has read (Mosquitto at SIGHUP) asks OpenSSL for
 * the newest, and of two of the same second OpenSSL takes the one read first: a revocation right after another would be missed.
 */
export function listThisUpdate({
  now,
  before,
}: {
  readonly now: Instant;
  readonly before: Instant | undefined;
}): Instant {
  const backdated = Math.floor((now - backdating) / second) * second;
  if (before === undefined || before < backdated) return backdated;
  // Never ahead of the clock: a list from the future is refused. It takes an hour of a list each second to come there.
  return Math.min(before + second, Math.floor(now / second) * second);
}

const second: Duration = 1000;
const backdating: Duration = 3_600_000;
