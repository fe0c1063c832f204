import { printable } from "./printable.ts";

/** The machine and human forms of every command's output. */
export const outputFormats = ["table", "json", "jsonl", "csv"] as const;

/** One of {@link outputFormats}. */
export type OutputFormat = (typeof outputFormats)[number];

/** A column of a listing: its head, and the text of one item. */
export interface Column<T> {
  readonly head: string;
  readonly text: (item: T) => string;
}

/** Renders a listing; json and jsonl carry the items whole, table and csv the columns. */
export function renderList<T>(items: readonly T[], columns: readonly Column<T>[], format: OutputFormat): string {
  switch (format) {
    case "json":
      return `${JSON.stringify(items, undefined, 2)}\n`;
    case "jsonl":
      return items.map((item) => `${JSON.stringify(item)}\n`).join("");
    case "csv":
      return [columns.map(({ head }) => head), ...items.map((item) => columns.map(({ text }) => text(item)))]
        .map((row) => `${row.map(csvCell).join(",")}\r\n`)
        .join("");
    case "table":
      return renderTable(
        columns.map(({ head }) => head),
        items.map((item) => columns.map(({ text }) => printable(text(item)))),
      );
  }
}

/** Renders one thing: json forms whole, table and csv as name and value. */
export function renderOne(value: object, rows: readonly (readonly [string, string])[], format: OutputFormat): string {
  if (format === "json") return `${JSON.stringify(value, undefined, 2)}\n`;
  if (format === "jsonl") return `${JSON.stringify(value)}\n`;
  if (format === "csv") return rows.map((row) => `${row.map(csvCell).join(",")}\r\n`).join("");
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${printable(text)}\n`).join("");
}

/** A table with aligned columns and no borders; an empty one says so. */
function renderTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "nothing to show\n";
  const upper = heads.map((head) => head.toUpperCase());
  const widths = upper.map((head, index) => Math.max(head.length, ...rows.map((row) => row[index]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `${cells
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd()}\n`;
  return [upper, ...rows].map(line).join("");
}

/** RFC 4180, and a leading quote where a spreadsheet would run the cell as a formula. */
function csvCell(text: string): string {
  const guarded = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
}
