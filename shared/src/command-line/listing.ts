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

/** A listing as people and spreadsheets read it. */
export interface Listing {
  readonly heads: readonly string[];
  /** Where a column without a head needs one in csv. */
  readonly csvHeads?: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A listing: json and jsonl carry the items whole, table and csv the columns. */
export function renderListing(items: readonly unknown[], table: Listing, format: OutputFormat): string {
  if (format === "json") return `${JSON.stringify(items, undefined, 2)}\n`;
  if (format === "jsonl") return items.map((item) => `${JSON.stringify(item)}\n`).join("");
  if (format === "csv") return csv([table.csvHeads ?? table.heads, ...table.rows]);
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
