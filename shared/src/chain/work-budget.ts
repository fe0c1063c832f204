import { pathInvalid } from "./path-failure.ts";

/** Counts down what one validation may cost, so that no input makes it slow. */
export class WorkBudget {
  #signatures: number;
  #comparisons: number;

  constructor(limits: { readonly signatures: number; readonly comparisons: number }) {
    this.#signatures = limits.signatures;
    this.#comparisons = limits.comparisons;
  }

  /** Takes one signature check; throws `path-invalid` (too-complex) when none is left. */
  takeSignature(): void {
    if (this.#signatures-- <= 0) throw pathInvalid("too-complex", "the certificates allow too many paths");
  }

  /** Takes `count` comparisons of names; throws `path-invalid` (too-complex) when none are left. */
  takeComparisons(count: number): void {
    this.#comparisons -= count;
    if (this.#comparisons < 0) throw pathInvalid("too-complex", "the certificates need too many comparisons of names");
  }
}
