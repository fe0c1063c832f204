import type { Duration } from "@fleetcert/shared";

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
