import { type Duration, formatDuration, type Instant } from "@fleetcert/shared";

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

/** An age from the hourly counters, told no finer than they know it: `under 1h`, then whole hours, then days. */
export function roughAge(age: Duration): string {
  if (age < hour) return "under 1h";
  return age < 2 * day ? `${Math.round(age / hour)}h` : `${Math.round(age / day)}d`;
}

/** The first digits of a hash or serial, enough to tell things apart on a screen. */
export function short(hex: string): string {
  return hex.length <= 16 ? hex : `${hex.slice(0, 16)}…`;
}

/** A horizontal bar of at most `width` cells for a share of the greatest. */
export function bar(count: number, greatest: number, width = 30): string {
  if (count === 0 || greatest === 0) return "";
  return "▇".repeat(Math.max(1, Math.round((count / greatest) * width)));
}

const hour = 3_600_000;
const day = 24 * hour;
