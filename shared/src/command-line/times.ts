import { formatDuration } from "../time/duration.ts";
import type { Duration, Instant } from "../time/instant.ts";

/** An instant for a person: UTC to the minute, `-` when there is none. */
export function when(instant: Instant | undefined): string {
  return instant === undefined ? "-" : `${new Date(instant).toISOString().slice(0, 16).replace("T", " ")}Z`;
}

/** How far an instant lies from now: `in 12d`, `3h ago`. */
export function fromNow(instant: Instant | undefined, now: Instant): string {
  if (instant === undefined) return "-";
  return instant >= now ? `in ${span(instant - now)}` : `${span(now - instant)} ago`;
}

/** A duration to two units at most; years from two on. */
export function span(duration: Duration | undefined): string {
  if (duration === undefined) return "-";
  if (duration >= 730 * day) return `${(duration / (365.25 * day)).toFixed(1)}y`;
  if (duration < 1000) return `${Math.round(duration)} ms`;
  const unit = duration >= day ? hour : duration >= hour ? 60_000 : 1000;
  return formatDuration(Math.round(duration / unit) * unit);
}

const hour = 3_600_000;
const day = 24 * hour;
