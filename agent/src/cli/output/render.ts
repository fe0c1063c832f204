import { type Duration, formatDuration, type Instant } from "@fleetcert/shared";
import { printable } from "./printable.ts";

/** The forms of every command's output. */
export const outputFormats = ["table", "json", "jsonl", "csv"] as const;

/** One of {@link outputFormats}. */
export type OutputFormat = (typeof outputFormats)[number];

/** One thing: JSON whole, table and csv as name and value. */
export function renderOne(
  value: unknown,
  rows: readonly (readonly [name: string, text: string])[],
  format: OutputFormat,
): string {
  if (format === "json") return `${JSON.stringify(value, undefined, 2)}\n`;
  if (format === "jsonl") return `${JSON.stringify(value)}\n`;
  if (format === "csv") return csv(rows);
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${printable(text)}\n`).join("");
}

/** A listing: json and jsonl carry the items whole, table and csv the columns. */
export function renderList(
  items: readonly unknown[],
  table: { readonly heads: readonly string[]; readonly rows: readonly (readonly string[])[] },
  format: OutputFormat,
): string {
  if (format === "json") return `${JSON.stringify(items, undefined, 2)}\n`;
  if (format === "jsonl") return items.map((item) => `${JSON.stringify(item)}\n`).join("");
  if (format === "csv") return csv([table.heads.map((head) => head || "ok"), ...table.rows]);
  if (table.rows.length === 0) return "nothing to show\n";
  const lines = [table.heads.map((head) => head.toUpperCase()), ...table.rows.map((row) => row.map(printable))];
  const widths = table.heads.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const pad = (line: readonly string[]) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ");
  return lines.map((line) => `${pad(line).trimEnd()}\n`).join("");
}

/** RFC 4180, and a leading quote where a spreadsheet would run a cell as a formula. */
function csv(rows: readonly (readonly string[])[]): string {
  const cell = (text: string): string => {
    const guarded = /^[=+\-@\t\r]./.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
  };
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

/** An instant for a person: UTC to the minute, `-` when there is none. */
export function when(instant: Instant | undefined): string {
  return instant === undefined ? "-" : `${new Date(instant).toISOString().slice(0, 16).replace("T", " ")}Z`;
}

/** How far an instant lies from now: `in 12d`, `3h ago`. */
export function fromNow(instant: Instant, now: Instant): string {
  return instant >= now ? `in ${span(instant - now)}` : `${span(now - instant)} ago`;
}

/** A duration to two units at most. */
export function span(duration: Duration): string {
  if (duration < 1000) return `${Math.round(duration)}ms`;
  const unit = duration >= 86_400_000 ? 3_600_000 : duration >= 3_600_000 ? 60_000 : 1000;
  return formatDuration(Math.round(duration / unit) * unit);
}
