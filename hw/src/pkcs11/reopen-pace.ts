import { FleetError } from "@fleetcert/shared";

/** How soon a token that could not be opened again is tried once more: at once, then after 0.1 s, doubling up to half a minute. */
export class ReopenPace {
  #failures = 0;
  #notBefore = 0;
  #last: unknown;

  /** Whether the last attempt failed: the token is not open. */
  get isWaiting(): boolean {
    return this.#failures > 0;
  }

  /** Throws `key-store-unavailable`, which may be retried, while it is too soon. */
  require(label: string): void {
    const wait = this.#notBefore - milliseconds();
    if (this.#failures <= patientFailures || wait <= 0) return;
    const why = this.#last instanceof Error ? this.#last.message : String(this.#last);
    throw new FleetError(
      "key-store-unavailable",
      `token "${label}" could not be opened ${this.#failures} times: ${why}`,
      {
        hint: `connect it; it is looked for again in ${Math.ceil(wait / 1000)} s`,
        retry: true,
        cause: this.#last,
      },
    );
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(why: unknown): void {
    this.#last = why;
    this.#failures++;
    this.#notBefore = milliseconds() + Math.min(30_000, 100 * 2 ** Math.min(this.#failures, 16));
  }
}

/** Not `performance`, whose first use loads a megabyte of what else it can measure. */
const milliseconds = (): number => Number(process.hrtime.bigint()) / 1e6;

/** As many as one call may need. */
const patientFailures = 3;
