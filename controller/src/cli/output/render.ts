import { type OutputFormat, renderListing } from "@fleetcert/shared";

/** A column of a listing: its head, and the text of one item. */
export interface Column<T> {
  readonly head: string;
  readonly text: (item: T) => string;
}

/** Renders a listing by its columns; json and jsonl carry the items whole. */
export function renderList<T>(items: readonly T[], columns: readonly Column<T>[], format: OutputFormat): string {
  const rows = items.map((item) => columns.map(({ text }) => text(item)));
  return renderListing(items, { heads: columns.map(({ head }) => head), rows }, format);
}
