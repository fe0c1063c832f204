import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isFleetError } from "../errors.ts";
import { IndexSet } from "./index-set.ts";
import { applySnapshotDelta, decodeSnapshot, encodeSnapshot, encodeSnapshotDelta } from "./snapshot.ts";
import vectors from "./vectors.json" with { type: "json" };

const long = process.env["FLEETCERT_LONG"] === "1";
const anySet = fc.integer({ min: 0, max: 5000 }).chain((size) =>
  fc
    .array(fc.oneof(fc.nat({ max: Math.max(0, size - 1) }), fc.integer({ min: 0, max: 40 })), { maxLength: 400 })
    .map((indices) =>
      IndexSet.of(
        size,
        indices.filter((index) => index < size),
      ),
    ),
);

describe("a snapshot", () => {
  it("gives back exactly the set it was made of", () => {
    fc.assert(
      fc.property(anySet, (set) => {
        const read = decodeSnapshot(encodeSnapshot(set), set.size);
        expect([...read.indices()]).toEqual([...set.indices()]);
        expect(read.count).toBe([...set.indices()].length);
      }),
      { numRuns: long ? 20_000 : 2000 },
    );
  });

  it("stays within 2 % of the entropy at 1 and 5 %, and far below it for a recalled lot", () => {
    for (const share of [0.01, 0.05]) {
      const set = random(1_000_000, share);
      expect(encodeSnapshot(set).length / entropyBytes(1_000_000, share)).toBeLessThan(1.02);
    }
    const lots = IndexSet.of(1_000_000, runs(1_000_000, 20, 500));
    expect(encodeSnapshot(lots).length / entropyBytes(1_000_000, 0.01)).toBeLessThan(0.1);
  });

  it("survives the extremes: empty, full, first, last, of size 0", () => {
    for (const [size, indices] of [
      [0, []],
      [1, [0]],
      [1 << 24, [(1 << 24) - 1]],
      [70_000, Array.from({ length: 70_000 }, (_, index) => index)],
      [9, []],
    ] as const) {
      const set = IndexSet.of(size, indices);
      expect([...decodeSnapshot(encodeSnapshot(set), size).indices()]).toEqual([...indices]);
    }
  });

  it("answers any octets with a typed error or a set, never with more than it may hold", { timeout: 300_000 }, () => {
    const known = encodeSnapshot(random(3000, 0.03));
    fc.assert(
      fc.property(fc.nat({ max: known.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Uint8Array.from(known);
        changed[at] = (changed[at] as number) ^ flip;
        readOrRefuse(() => decodeSnapshot(changed, 3000));
      }),
      { numRuns: 10_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(1, 2), (tail, code) => {
        const bytes = Uint8Array.from([0x53, 1, 0, 0, 1, 0, code, ...tail]);
        readOrRefuse(() => decodeSnapshot(bytes, 256));
        readOrRefuse(() =>
          applySnapshotDelta(new IndexSet(256), Uint8Array.from([0x44, ...bytes.subarray(1)]), { size: 256 }),
        );
      }),
      { numRuns: 10_000 },
    );
  });

  it("is refused when truncated, extended, or read as another size", () => {
    const bytes = encodeSnapshot(random(10_000, 0.02));
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => decodeSnapshot(bytes.subarray(0, length), 10_000)).toThrow();
    }
    expect(() => decodeSnapshot(Uint8Array.from([...bytes, 0]), 10_000)).toThrow();
    expect(() => decodeSnapshot(bytes, 10_001)).toThrow("covers 10000");
  });

  it("has one encoding for one set", () => {
    const set = IndexSet.of(100, [3, 50]);
    const rice = encodeSnapshot(set);
    const padded = Uint8Array.from(rice);
    padded[7] = 9;
    expect(() => decodeSnapshot(padded, 100)).toThrow(expect.objectContaining({ code: "revocation-invalid" }));
  });
});

describe("the test vectors of docs/snapshot-format.md", () => {
  it.each(vectors.snapshots)(
    'say how the snapshot "$name" is encoded, and it decodes to its indices',
    ({ size, indices, hex }) => {
      expect(Buffer.from(encodeSnapshot(IndexSet.of(size, indices))).toString("hex")).toBe(hex);
      expect([...decodeSnapshot(Buffer.from(hex, "hex"), size).indices()]).toEqual(indices);
    },
  );

  it.each(vectors.deltas)('say what the delta "$name" makes of its base', ({ baseSize, base, size, target, hex }) => {
    const result = applySnapshotDelta(IndexSet.of(baseSize, base), Buffer.from(hex, "hex"), { size });
    expect([...result.indices()]).toEqual(target);
  });
});

describe("a snapshot delta", () => {
  it("turns the base into the target, holds lifted and range grown", () => {
    fc.assert(
      fc.property(anySet, anySet, (one, other) => {
        const [base, target] = one.size <= other.size ? [one, other] : [other, one];
        const result = applySnapshotDelta(base, encodeSnapshotDelta(base, target), { size: target.size });
        expect(encodeSnapshot(result)).toEqual(encodeSnapshot(target));
      }),
      { numRuns: long ? 10_000 : 1000 },
    );
  });

  it("of 100 changes in a million costs little more than it must", () => {
    const base = random(1_000_000, 0.01);
    const target = IndexSet.of(1_000_000, base.indices());
    for (const index of [...random(1_000_000, 0.0001).indices()].slice(0, 100)) target.toggle(index);
    const changes = [...target.indices()].filter((index) => !base.has(index)).length;
    const bytes = encodeSnapshotDelta(base, target).length;
    expect(bytes).toBeLessThan((1.1 * logChoose(1_000_000, Math.max(100, changes))) / 8 + 150);
  });

  it("is refused on any other base, which stays as it was", () => {
    const base = IndexSet.of(100, [1, 2]);
    const delta = encodeSnapshotDelta(base, IndexSet.of(120, [1, 2, 99]));
    const other = IndexSet.of(100, [1]);
    expect(() => applySnapshotDelta(other, delta, { size: 120 })).toThrow("made for another snapshot");
    expect([...other.indices()]).toEqual([1]);
  });
});

function readOrRefuse(read: () => IndexSet): void {
  try {
    expect([...read().indices()].length).toBeLessThanOrEqual(3000);
  } catch (error) {
    if (!isFleetError(error)) throw error;
  }
}

/** A fixed pseudo-random sequence (xorshift), so that the sizes measured are the same in every run. */
function random(size: number, share: number): IndexSet {
  let state = 0x9e3779b9;
  const set = new IndexSet(size);
  for (let index = 0; index < size; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    if ((state >>> 0) / 2 ** 32 < share) set.add(index);
  }
  return set;
}

function* runs(size: number, count: number, length: number): Generator<number> {
  for (let run = 0; run < count; run += 1) {
    const start = Math.floor((run * size) / count) + 137 * run;
    for (let index = 0; index < length; index += 1) yield start + index;
  }
}

function entropyBytes(size: number, share: number): number {
  return (size * -(share * Math.log2(share) + (1 - share) * Math.log2(1 - share))) / 8;
}

function logChoose(n: number, k: number): number {
  let bits = 0;
  for (let index = 0; index < k; index += 1) bits += Math.log2((n - index) / (index + 1));
  return bits;
}
