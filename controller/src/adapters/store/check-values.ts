import { FleetError } from "@fleetcert/shared";

/**
 * Refuses values that a store could not give back as they were: numbers that are no safe integers (instants, counts and
 * generations all are) with `internal`, text with lone surrogates with `request-invalid`.
 */
export function checkValues(table: string, values: object): void {
  for (const [name, value] of Object.entries(values)) {
    if (typeof value === "number" && !Number.isSafeInteger(value)) {
      throw new FleetError("internal", `${table}.${name} must be an integer, not ${value}`);
    }
    if (typeof value === "string" && !value.isWellFormed()) {
      throw new FleetError("request-invalid", `${table}.${name} is not well-formed Unicode`);
    }
  }
}

/** Refuses a page size that is no natural number with `request-invalid`; SQLite would read a negative one as "all". */
export function checkLimit(limit: number): number {
  if (!Number.isSafeInteger(limit) || limit < 0) {
    throw new FleetError("request-invalid", `a page cannot have ${limit} rows`);
  }
  return limit;
}
