import { type Clock, type Duration, FleetError, formatDuration, type Instant } from "@fleetcert/shared";
import type { Store } from "../store-port.ts";

/** Refuses to sign while the controller's own clock cannot be believed (DESIGN.md section 4). */
export interface ClockGuard {
  /** The present; throws `clock-leapt` when wall clock and monotonic clock have parted since the last look. */
  now(): Instant;
}

/**
 * Opens the one guard of a controller. The earliest present it believes in is that of the last epoch: audit entries would
 * not do, for they are written under a clock that has leapt too, and would keep out the right time afterwards. Throws
 * `clock-leapt`.
 */
export async function openClockGuard(parts: {
  readonly store: Store;
  readonly clock: Clock;
  readonly issuer: string;
  /** Of the trust bundle in force: what was signed in an earlier one says nothing about the present. */
  readonly era: number;
  /** Largest leap of the controller's own clock that is signed over. */
  readonly limit: Duration;
}): Promise<ClockGuard> {
  const epoch = await parts.store.transaction((tx) => tx.epochs.latest(parts.issuer));
  const isOfEra = epoch !== undefined && epoch.era >= parts.era;
  return watchClock(parts.clock, { limit: parts.limit, notBefore: isOfEra ? epoch.thisUpdate : 0 });
}

/**
 * Watches wall clock against monotonic clock. A leap beyond `limit` is refused until the clock is back, or the
 * controller is started again by somebody who has looked. `notBefore` is the last instant that was signed.
 */
export function watchClock(
  clock: Clock,
  options: { readonly limit: Duration; readonly notBefore: Instant },
): ClockGuard {
  let wall = clock.now();
  let monotonic = clock.monotonic();
  if (wall + options.limit < options.notBefore) {
    throw leapt(
      `the clock shows ${iso(wall)}, an epoch was signed at ${iso(options.notBefore)}`,
      "set the clock; if it is right and was wrong then, run: fleetcert trust renew --new-era",
    );
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

function leapt(
  message: string,
  hint = "look at the machine's time service; when the time is right, start fleetcert serve again",
): FleetError {
  return new FleetError("clock-leapt", message, { hint, retry: true });
}
