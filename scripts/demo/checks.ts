/** One expectation of the run, with what was seen and where it can be seen again. */
export interface Check {
  readonly name: string;
  readonly expected: unknown;
  readonly actual: unknown;
  readonly ok: boolean;
  readonly evidence: string;
}

/** Collects the expectations of a run; a run is good only when every one is ok. */
export class Checks {
  readonly #all: Check[] = [];

  /** Expects equality. */
  equal(name: string, expected: unknown, actual: unknown, evidence: string): void {
    this.#all.push({ name, expected, actual, ok: JSON.stringify(expected) === JSON.stringify(actual), evidence });
  }

  /** Expects a number at most the limit; undefined is a failure. */
  atMost(name: string, limit: number, actual: number | undefined, evidence: string): void {
    const ok = actual !== undefined && actual <= limit;
    this.#all.push({ name, expected: `≤ ${limit}`, actual: actual ?? null, ok, evidence });
  }

  /** Expects a number of at least the limit; undefined is a failure. */
  atLeast(name: string, limit: number, actual: number | undefined, evidence: string): void {
    const ok = actual !== undefined && actual >= limit;
    this.#all.push({ name, expected: `≥ ${limit}`, actual: actual ?? null, ok, evidence });
  }

  get all(): readonly Check[] {
    return this.#all;
  }

  get failed(): readonly Check[] {
    return this.#all.filter(({ ok }) => !ok);
  }
}
