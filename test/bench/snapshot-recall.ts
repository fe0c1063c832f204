import { encodeSnapshot } from "@fleetcert/shared";
import type { Row } from "./run.ts";
import { entropyBytes, issued, recalledLots, sizeOf } from "./snapshot-fixture.ts";

/** A recall takes away whole lots, neighbours in the index: far less than the entropy of scattered ones; at most 0.1 of it. */
export async function bench(): Promise<Row[]> {
  return [0.01, 0.05].map((share) => {
    const set = recalledLots(share);
    const bytes = encodeSnapshot(set).length;
    const entropy = entropyBytes(sizeOf(set), issued);
    const of = "the entropy if they were scattered";
    return { name: `snapshot-recall 1M/${share * 100} %`, value: bytes, unit: "bytes", ratio: bytes / entropy, of };
  });
}
