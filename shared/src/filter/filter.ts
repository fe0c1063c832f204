import type { Duration, Instant } from "../time/instant.ts";

/** How a condition compares; `=` on a list means that one of its members is equal. */
export type Comparison = "=" | "!=" | "<" | ">";

/** The right side of a condition: its text as written, and what it may also mean. */
export interface FilterValue {
  readonly text: string;
  readonly number?: number;
  readonly duration?: Duration;
  readonly instant?: Instant;
  /** Bytes of a size such as `4KiB`. */
  readonly bytes?: number;
}

/** `field comparison value`. */
export interface Condition {
  readonly field: string;
  readonly comparison: Comparison;
  readonly value: FilterValue;
}

/** A parsed filter: every condition must hold. Without conditions it matches everything. */
export interface Filter {
  readonly text: string;
  readonly conditions: readonly Condition[];
}

/** What a filter is held against: numbers are plain, milliseconds or bytes as the field's own unit says. */
export type FilterFacts = Readonly<Record<string, string | number | readonly string[] | undefined>>;
