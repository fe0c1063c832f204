import { FleetError } from "../errors.ts";

/** A set of serial indices of one shard, below `size`; one bit each. */
export class IndexSet {
  /** Most indices one shard may have, 16 Mi: a bitmap of 2 MiB. */
  static readonly maxSize = 1 << 24;
  readonly size: number;
  readonly #bits: Uint8Array;

  constructor(size: number) {
    if (!Number.isSafeInteger(size) || size < 0 || size > IndexSet.maxSize) {
      throw new FleetError("revocation-invalid", `a shard of ${size} indices is larger than ${IndexSet.maxSize}`);
    }
    this.size = size;
    this.#bits = new Uint8Array(Math.ceil(size / 8));
  }

  /** Makes a set of indices; throws `revocation-invalid` for one that is not below the size. */
  static of(size: number, indices: Iterable<number>): IndexSet {
    const set = new IndexSet(size);
    for (const index of indices) set.add(index);
    return set;
  }

  has(index: number): boolean {
    return index < this.size && ((this.#bits[index >>> 3] as number) & (1 << (index & 7))) !== 0;
  }

  add(index: number): void {
    this.#requireInside(index);
    this.#bits[index >>> 3] = (this.#bits[index >>> 3] as number) | (1 << (index & 7));
  }

  /** Puts in what is out and takes out what is in. */
  toggle(index: number): void {
    this.#requireInside(index);
    this.#bits[index >>> 3] = (this.#bits[index >>> 3] as number) ^ (1 << (index & 7));
  }

  /** How many it holds. */
  get count(): number {
    let count = 0;
    for (const octet of this.#bits) for (let bits = octet; bits !== 0; bits &= bits - 1) count += 1;
    return count;
  }

  /** A copy with room for more; the size never shrinks. */
  grownTo(size: number): IndexSet {
    if (size < this.size) throw new FleetError("revocation-invalid", "a shard's range never shrinks");
    const grown = new IndexSet(size);
    grown.#bits.set(this.#bits);
    return grown;
  }

  /** The indices, smallest first. */
  *indices(): Generator<number> {
    for (let octet = 0; octet < this.#bits.length; octet += 1) {
      for (let bits = this.#bits[octet] as number; bits !== 0; bits &= bits - 1) {
        yield octet * 8 + (31 - Math.clz32(bits & -bits));
      }
    }
  }

  #requireInside(index: number): void {
    if (index >= 0 && index < this.size) return;
    throw new FleetError("revocation-invalid", `index ${index} lies outside a shard of ${this.size}`);
  }
}
