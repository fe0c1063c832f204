/**
 * Adaptive probabilities of binary decisions, one for each context: 16-bit fixed point, learning fast at first and slowly
 * later (the rate falls from 1/2 to 1/128). Integer arithmetic only, so that every implementation agrees on every bit.
 */
export class BitModel {
  /** Probability that the bit is 0, times 65536. */
  readonly #zero: Uint16Array;
  readonly #seen: Uint8Array;

  constructor(contexts: number) {
    this.#zero = new Uint16Array(contexts).fill(32_768);
    this.#seen = new Uint8Array(contexts);
  }

  /** Probability that the bit is 0 in this context, times 4096, from 1 to 4095. */
  zero(context: number): number {
    const scaled = (this.#zero[context] as number) >>> 4;
    return scaled === 0 ? 1 : scaled;
  }

  /** Learns the bit that came. */
  learn(context: number, bit: 0 | 1): void {
    const seen = this.#seen[context] as number;
    const zero = this.#zero[context] as number;
    const target = bit === 0 ? 65_535 : 0;
    const rate = learningRates[seen] as number;
    // Truncation towards zero, as `/` on integers in C.
    this.#zero[context] = zero + Math.trunc(((target - zero) * rate) / 65_536);
    if (seen < learningRates.length - 1) this.#seen[context] = seen + 1;
  }
}

/** 65536 / (n + 1.5) for the n-th observation of a context, down to 65536 / 128. */
const learningRates: readonly number[] = Array.from({ length: 127 }, (_, seen) =>
  Math.floor(131_072 / (2 * seen + 3)),
).map((rate) => Math.max(512, rate));
