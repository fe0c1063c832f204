import { assertNever } from "../errors.ts";
import type { Condition, Filter, FilterFacts, FilterValue } from "./filter.ts";

/**
 * Whether the facts satisfy every condition of a filter. An absent fact is different from everything: only `!=` holds.
 *
 * Text compares exactly; `<` and `>` on text compare code units. A numeric fact compares with a number, a duration in
 * milliseconds, an instant in milliseconds or a size in bytes. Of a list, `=` asks for one equal member, `!=` for none.
 */
export function matchesFilter(filter: Filter, facts: FilterFacts): boolean {
  return filter.conditions.every((condition) =>
    holds(condition, Object.hasOwn(facts, condition.field) ? facts[condition.field] : undefined),
  );
}

function holds({ comparison, value }: Condition, fact: FilterFacts[string]): boolean {
  switch (comparison) {
    case "=":
      return isEqual(fact, value);
    case "!=":
      return !isEqual(fact, value);
    case "<":
      return compare(fact, value) < 0;
    case ">":
      return compare(fact, value) > 0;
    default:
      return assertNever(comparison);
  }
}

function isEqual(fact: FilterFacts[string], value: FilterValue): boolean {
  if (fact === undefined) return false;
  if (typeof fact === "object") return fact.includes(value.text);
  return compare(fact, value) === 0;
}

/** Negative, zero or positive as the fact stands to the value; NaN when the two cannot be compared. */
function compare(fact: FilterFacts[string], value: FilterValue): number {
  if (typeof fact === "number")
    return fact - (value.number ?? value.duration ?? value.instant ?? value.bytes ?? Number.NaN);
  if (typeof fact !== "string") return Number.NaN;
  if (fact === value.text) return 0;
  return fact < value.text ? -1 : 1;
}
