import type { IndexSet } from "@fleetcert/shared";

/**
 * Octets of a Bloom-filter cascade (Larisch et al., CRLite, 2017) that tells exactly which of the indices below the set's size
 * are in it: each level holds what the one before wrongly lets through, until nothing is.
 */
export function cascadeBytes(revoked: IndexSet): number {
  let inside = [...revoked.indices()];
  let outside: number[] = [];
  for (let index = 0; index < revoked.size; index += 1) if (!revoked.has(index)) outside.push(index);
  let bits = 0;
  for (let level = 0; inside.length > 0; level += 1) {
    // The first level lets through about as many strangers as there are members; every other halves.
    const falsePositives = level === 0 ? Math.min(0.5, (Math.SQRT1_2 * inside.length) / outside.length) : 0.5;
    const filter = new Bloom(inside.length, { falsePositives, salt: level });
    for (const index of inside) filter.add(index);
    const passing = outside.filter((index) => filter.mayHold(index));
    bits += filter.bits;
    [inside, outside] = [passing, inside];
  }
  return bits / 8;
}

class Bloom {
  readonly bits: number;
  readonly #hashes: number;
  readonly #salt: number;
  readonly #field: Uint8Array;

  constructor(members: number, { falsePositives, salt }: { readonly falsePositives: number; readonly salt: number }) {
    this.bits = Math.max(8, Math.ceil((members * Math.log2(1 / falsePositives)) / Math.LN2));
    this.#hashes = Math.max(1, Math.round(Math.log2(1 / falsePositives)));
    this.#salt = salt;
    this.#field = new Uint8Array(Math.ceil(this.bits / 8));
  }

  add(index: number): void {
    for (let hash = 0; hash < this.#hashes; hash += 1) {
      const bit = this.#place(index, hash);
      this.#field[bit >> 3] = (this.#field[bit >> 3] as number) | (1 << (bit & 7));
    }
  }

  mayHold(index: number): boolean {
    for (let hash = 0; hash < this.#hashes; hash += 1) {
      const bit = this.#place(index, hash);
      if (((this.#field[bit >> 3] as number) & (1 << (bit & 7))) === 0) return false;
    }
    return true;
  }

  #place(index: number, hash: number): number {
    let mixed =
      Math.imul(index + 1, 0x9e37_79b1) ^ Math.imul(hash + 1, 0x85eb_ca6b) ^ Math.imul(this.#salt + 1, 0xc2b2_ae35);
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb_352d);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846c_a68b);
    return ((mixed ^ (mixed >>> 16)) >>> 0) % this.bits;
  }
}
