import { IndexSet } from "@fleetcert/shared";

/** Indices issued in every snapshot benchmark. */
export const issued = 1_000_000;

/** Numbers below 1 from a fixed xorshift sequence, so that every run measures the same sets. */
export function* fixedRandom(seed = 0x9e37_79b9): Generator<number, never> {
  for (let state = seed; ; ) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    yield (state >>> 0) / 2 ** 32;
  }
}

/** Each index revoked with this probability, independently. */
export function scattered(share: number): IndexSet {
  const set = new IndexSet(issued);
  const random = fixedRandom();
  for (let index = 0; index < issued; index += 1) if (random.next().value < share) set.add(index);
  return set;
}

/** Recalled lots: runs of 500 neighbours at random places, the share of all indices in total. */
export function recalledLots(share: number): IndexSet {
  const set = new IndexSet(issued);
  const random = fixedRandom(0x1234_5678);
  for (let lot = 0; lot < (issued * share) / lotLength; lot += 1) {
    const start = Math.floor(random.next().value * (issued - lotLength));
    for (let index = start; index < start + lotLength; index += 1) set.add(index);
  }
  return set;
}

/** Octets that a set of this many members among so many takes at least, on average: N·H(R/N) / 8. */
export function entropyBytes(members: number, size: number): number {
  const share = members / size;
  return (size * -(share * Math.log2(share) + (1 - share) * Math.log2(1 - share))) / 8;
}

/** Octets that naming any k of n takes at least: log2 of the number of ways, / 8. */
export function choiceBytes(n: number, k: number): number {
  let bits = 0;
  for (let taken = 0; taken < k; taken += 1) bits += Math.log2((n - taken) / (taken + 1));
  return bits / 8;
}

/** How many a set holds. */
export function sizeOf(set: IndexSet): number {
  let count = 0;
  for (const _ of set.indices()) count += 1;
  return count;
}

const lotLength = 500;
