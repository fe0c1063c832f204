import { type Clock, type Duration, FleetError, formatDuration, type Instant } from "@fleetcert/shared";

/** Refuses to sign while the controller's own clock cannot be believed (DESIGN.md section 4). */
export interface ClockGuard {
  /** The present; throws `clock-leapt` when wall clock and monotonic clock have parted since the last look. */
  now(): Instant;
}

/**
 * Watches wall clock against monotonic clock. A leap beyond `limit` is refused until the clock is back, or the
 * controller is started again by somebody who has looked. `notBefore` is the last instant the store knows of.
 */
export function watchClock(
  clock: Clock,
  options: { readonly limit: Duration; readonly notBefore: Instant },
): ClockGuard {
  let wall = clock.now();
  let monotonic = clock.monotonic();
  if (wall + options.limit < options.notBefore) {
    throw leapt(`the clock shows ${iso(wall)}, the store was written at ${iso(options.notBefore)}`);
  }
  return {
    now() {
      const [wallNow, monotonicNow] = [clock.now(), clock.monotonic()];
      const drift = wallNow - wall - (monotonicNow - monotonic);
      if (Math.abs(drift) > options.limit) {
        throw leapt(`the clock leapt by ${formatDuration(drift)}, limit ${formatDuration(options.limit)}`);
      }
      // Small corrections of a time service are followed, so that they do not add up to a leap.
      [wall, monotonic] = [wallNow, monotonicNow];
      return wallNow;
    },
  };
}

const iso = (instant: Instant): string => new Date(instant).toISOString();

const leapt = (message: string): FleetError =>
  new FleetError("clock-leapt", message, {
    hint: "look at the machine's time service; when the time is right, start fleetcert serve again",
    retry: true,
  });
