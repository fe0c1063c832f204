import { applySnapshotDelta, encodeSnapshot, encodeSnapshotDelta, IndexSet } from "@fleetcert/shared";
import { mediansOf7 } from "./measure.ts";
import type { Row } from "./run.ts";
import { choiceBytes, fixedRandom, issued, scattered } from "./snapshot-fixture.ts";

/** 100 more revoked among a million: octets against 1.1 × log2 C(N, 100) ÷ 8 + 150, which is the goal, and against the whole. */
export async function bench(): Promise<Row[]> {
  const base = scattered(0.01);
  const target = IndexSet.of(issued, base.indices());
  const random = fixedRandom(0x0bad_cafe);
  for (let changed = 0; changed < changes; ) {
    const index = Math.floor(random.next().value * issued);
    if (target.has(index)) continue;
    target.add(index);
    changed += 1;
  }
  const delta = encodeSnapshotDelta(base, target);
  const whole = encodeSnapshot(target).length;
  const limit = 1.1 * choiceBytes(issued, changes) + 150;
  const times = await mediansOf7({
    encode: () => encodeSnapshotDelta(base, target),
    apply: () => applySnapshotDelta(base, delta, { size: issued }),
  });
  const bytes = { value: delta.length, unit: "bytes" };
  return [
    { name: "snapshot-delta of 100", ...bytes, ratio: delta.length / limit, of: "1.1 × log2 C(N,100) ÷ 8 + 150" },
    { name: "snapshot-delta, against the whole", ...bytes, ratio: delta.length / whole, of: "the whole snapshot" },
    { name: "snapshot-delta, encode", value: times.encode, unit: "ms" },
    { name: "snapshot-delta, apply", value: times.apply, unit: "ms" },
  ];
}

const changes = 100;
