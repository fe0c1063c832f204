import type { HeadShard } from "@fleetcert/proto";
import {
  applySnapshotDelta,
  decodeSnapshot,
  encodeSnapshot,
  encodeSnapshotDelta,
  IndexSet,
  isFleetError,
  sha256,
} from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { cpuMsOf } from "../support/cpu-time.ts";
import { Mutations } from "../support/mutations.ts";
import { aHeadShard, obtained } from "../support/revocation/obtained-shard.ts";
import { usedMegabytes } from "../support/used-memory.ts";

const isLong = process.env["FLEETCERT_LONG"] === "1";
const runs = isLong ? 1_000_000 : 100_000;
const timeout = isLong ? 3_600_000 : 300_000;

const every = (step: number, count: number, from = 0) => Array.from({ length: count }, (_, at) => from + at * step);
/** Scattered, in runs, dense, and none: both codes and their edges. */
const sets = [
  IndexSet.of(3000, every(37, 80)),
  IndexSet.of(3000, [...every(1, 200, 40), ...every(1, 90, 900), 2999]),
  IndexSet.of(300, every(2, 150)),
  IndexSet.of(0x1_0000, [0, 1, 2, 777, 0xffff]),
  IndexSet.of(1024, []),
];

describe("hostile snapshots", () => {
  it(`${runs} changed snapshots: a typed error or the set they are the one encoding of, each within 100 ms, no memory kept`, {
    timeout,
  }, () => {
    const originals = sets.map((set) => ({ bytes: encodeSnapshot(set), size: set.size }));
    const mutations = new Mutations(0x5eed);
    const before = usedMegabytes();
    const tally = { refused: 0, other: 0, genuine: 0 };
    let slowestMs = 0;
    for (let run = 0; run < runs; run++) {
      const { bytes, size } = originals[run % originals.length] as (typeof originals)[number];
      const hostile = mutations.of(bytes);
      slowestMs = Math.max(
        slowestMs,
        cpuMsOf(() => {
          tally[judge(hostile, { bytes, size })] += 1;
        }),
      );
    }
    expect(slowestMs).toBeLessThan(100);
    expect(usedMegabytes() - before).toBeLessThan(64);
    expect(tally.refused).toBeGreaterThan(runs / 10);
    expect(tally.other).toBeGreaterThan(runs / 1000);
    expect(tally.genuine).toBeLessThan(runs / 20);
  });

  /** What is read must be written the same way again, or two octet strings would mean one set. */
  function judge(hostile: Uint8Array, { bytes, size }: { readonly bytes: Uint8Array; readonly size: number }) {
    try {
      const read = decodeSnapshot(hostile, size);
      if (Buffer.compare(encodeSnapshot(read), hostile) !== 0) throw new Error(`not the one encoding: ${hex(hostile)}`);
      return Buffer.compare(hostile, bytes) === 0 ? "genuine" : "other";
    } catch (error) {
      if (isFleetError(error, "revocation-invalid", "version-unsupported")) return "refused";
      throw error;
    }
  }
});

describe("hostile deltas", () => {
  it(`${runs} changed deltas: what a device holds afterwards is what its head names, or nothing new, each within 100 ms`, {
    timeout,
  }, async () => {
    const steps = sets.map((base) => aStep(base, target(base)));
    const mutations = new Mutations(0xde17a);
    const before = usedMegabytes();
    const tally = { refused: 0, genuine: 0 };
    let slowestMs = 0;
    for (let run = 0; run < runs; run++) {
      const { delta, ...step } = steps[run % steps.length] as (typeof steps)[number];
      const hostile = mutations.of(delta);
      const start = process.threadCpuUsage();
      const { snapshot } = await obtained({ ...step, offered: { delta: hostile } });
      const { user, system } = process.threadCpuUsage(start);
      slowestMs = Math.max(slowestMs, (user + system) / 1000);
      tally[snapshot === undefined ? "refused" : "genuine"] += 1;
      if (snapshot === undefined) continue;
      if (Buffer.compare(sha256(encodeSnapshot(snapshot)), step.shard.snapshotSha256) !== 0) {
        throw new Error(`a changed delta is believed: ${hex(hostile)}`);
      }
    }
    expect(slowestMs).toBeLessThan(100);
    expect(usedMegabytes() - before).toBeLessThan(64);
    expect(tally.refused).toBeGreaterThan(runs / 2);
    expect(tally.genuine).toBeGreaterThan(0);
  });

  it("a delta of some octets that says eight million changes costs nothing: no more can change than both heads say", async () => {
    const size = IndexSet.maxSize / 2;
    const base = IndexSet.of(size, every(1000, 1000));
    const bomb = encodeSnapshotDelta(base, allOf(size));
    expect(bomb.length).toBeLessThan(5000);
    const { delta: _, ...step } = aStep(base, IndexSet.of(size, every(1000, 1001)));
    const held = encodeSnapshot(base);
    const honestMs = cpuMsOf(() => encodeSnapshot(base));
    const start = process.threadCpuUsage();
    expect(await obtained({ ...step, offered: { delta: bomb } })).toEqual({ snapshot: undefined });
    const { user, system } = process.threadCpuUsage(start);
    expect((user + system) / 1000).toBeLessThan(100 + 2 * honestMs);
    expect(encodeSnapshot(base)).toEqual(held);
    expect(() => applySnapshotDelta(base, bomb, { size, maxChanges: 2001 })).toThrow("are more than 2001");
  });

  /** Some more revoked, one given back, and room for more. */
  function target(base: IndexSet): IndexSet {
    const [first = -1] = base.indices();
    return IndexSet.of(
      base.size + 64,
      [...base.indices(), base.size + 3, base.size + 40].filter((index) => index !== first),
    );
  }

  function aStep(base: IndexSet, to: IndexSet) {
    const row = (set: IndexSet, epoch: number): HeadShard => {
      const bytes = encodeSnapshot(set);
      const named = { snapshotEpoch: epoch, snapshotLength: bytes.length, snapshotSha256: sha256(bytes) };
      return aHeadShard({ ...named, coveredTo: set.size, revokedCount: set.count, deltaFrom: [epoch - 1] });
    };
    return { before: { row: row(base, 4), snapshot: base }, shard: row(to, 5), delta: encodeSnapshotDelta(base, to) };
  }
});

function allOf(size: number): IndexSet {
  const set = new IndexSet(size);
  for (let index = 0; index < size; index++) set.add(index);
  return set;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
