import type { Json } from "./approval.ts";

/**
 * The one text of a value: names in the order of their UTF-16 code units, no space, integers only (RFC 8785 over the values
 * allowed here). Two values with the same text are the same value.
 */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return scalar(value as string | number | boolean | null);
  const members = Object.entries(value as { readonly [name: string]: Json }).filter(
    ([, member]) => member !== undefined,
  );
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(",")}}`;
}

function scalar(value: string | number | boolean | null): string {
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new RangeError(`${value} is no safe integer`);
  return JSON.stringify(value);
}
