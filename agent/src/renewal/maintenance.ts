import type { MaintenanceWindow } from "@fleetcert/proto";
import type { Duration, Instant } from "@fleetcert/shared";
import { Cron } from "croner";

/** One time that a device may be touched. */
export interface Opening {
  readonly start: Instant;
  /** Exclusive. */
  readonly end: Instant;
}

/**
 * The opening that is open at an instant, else the next one; undefined when there is none any more. Pure: the time zone's rules come with
 * the runtime.
 *
 * A window opens at every match of its expression in local time and stays open for elapsed time. Where a clock that is put forward
 * skips the match, it opens at the first moment after the gap; where a clock that is put back repeats it, it opens once. A
 * window that cannot be read is passed over: a device must not end because of it.
 */
export function nextOpening(windows: readonly MaintenanceWindow[], from: Instant): Opening | undefined {
  const openings = windows.flatMap((window) => openingOf(window, from) ?? []);
  return openings.sort((a, b) => a.start - b.start || b.end - a.end)[0];
}

/** Whether any of the windows can be read; without one, every time is good. */
export function hasReadable(windows: readonly MaintenanceWindow[]): boolean {
  return windows.some((window) => cronOf(window) !== undefined);
}

function openingOf(window: MaintenanceWindow, from: Instant): Opening | undefined {
  const duration = Math.min(window.duration, longest);
  // The first match after `from` less the duration is the earliest that is not over at `from`.
  const start = cronOf(window)
    ?.nextRun(new Date(from - duration))
    ?.getTime();
  return start === undefined ? undefined : { start, end: start + duration };
}

/** Undefined when the expression or the time zone means nothing here. */
function cronOf({ cron, timeZone }: MaintenanceWindow): Cron | undefined {
  try {
    const parsed = new Cron(cron, { timezone: timeZone, paused: true });
    parsed.nextRun(new Date(0));
    return parsed;
  } catch {
    return undefined;
  }
}

/** A year: longer than any window has a reason to be. */
const longest: Duration = 365 * 86_400_000;
