/** Changed copies of octets, the same ones for the same seed: bits flipped, octets replaced, put in, taken out, repeated, cut off. */
export class Mutations {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  /** One more copy with one to four changes; it may come out as it went in. */
  of(bytes: Uint8Array): Uint8Array {
    let changed = Uint8Array.from(bytes);
    for (let left = 1 + this.#below(4); left > 0; left--) changed = this.#change(changed);
    return changed;
  }

  #change(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const at = this.#below(bytes.length + 1);
    const length = this.#below(9);
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
    switch (this.#below(6)) {
      case 0:
        return joined(before, Uint8Array.of((after[0] ?? 0) ^ (1 << this.#below(8))), after.subarray(1));
      case 1:
        return joined(before, Uint8Array.of(this.#below(256)), after.subarray(1));
      case 2:
        return joined(
          before,
          Uint8Array.from({ length }, () => this.#below(256)),
          after,
        );
      case 3:
        return joined(before, after.subarray(length));
      case 4:
        return joined(before, bytes.subarray(this.#below(bytes.length + 1)).subarray(0, length * 8), after);
      default:
        return this.#below(8) === 0 ? joined(before) : joined(before, after.subarray(1));
    }
  }

  /** Xorshift. */
  #below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.concat(parts));
}
