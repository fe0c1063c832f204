import type { IndexSet } from "@fleetcert/shared";
import { mediansOf7 } from "./measure.ts";
import type { Row } from "./run.ts";
import { fixedRandom, issued, scattered } from "./snapshot-fixture.ts";

/** A million lookups in a snapshot against the bare test of a bit in a Uint8Array; the goal is at most 3. */
export async function bench(): Promise<Row[]> {
  const set = scattered(0.01);
  const bits = new Uint8Array(issued / 8);
  for (const index of set.indices()) bits[index >> 3] = (bits[index >> 3] as number) | (1 << (index & 7));
  const random = fixedRandom(0x5eed_5eed);
  const asked = Int32Array.from({ length: 1_000_000 }, () => random.next().value * issued);
  if (countBits(bits, asked) !== countMembers(set, asked)) throw new Error("both ways must find the same");
  const { bare, lookup } = await mediansOf7({
    bare: () => countBits(bits, asked),
    lookup: () => countMembers(set, asked),
  });
  const of = "the bit test of a Uint8Array";
  return [
    { name: of, value: bare, unit: "ns" },
    { name: "snapshot-lookup", value: lookup, unit: "ns", ratio: lookup / bare, of },
  ];
}

function countBits(bits: Uint8Array, asked: Int32Array): number {
  let found = 0;
  for (let at = 0; at < asked.length; at += 1) {
    const index = asked[at] as number;
    if (((bits[index >>> 3] as number) & (1 << (index & 7))) !== 0) found += 1;
  }
  return found;
}

function countMembers(set: IndexSet, asked: Int32Array): number {
  let found = 0;
  for (let at = 0; at < asked.length; at += 1) if (set.has(asked[at] as number)) found += 1;
  return found;
}
