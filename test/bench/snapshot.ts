import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { zstdCompressSync } from "node:zlib";
import { assembleSigned, decodeSnapshot, encodeSnapshot, encodeTbsCrl, type IndexSet, Serial } from "@fleetcert/shared";
import { cascadeBytes } from "./bloom-cascade.ts";
import { crlTemplate, reasons } from "./crl-fixture.ts";
import { medianOf7 } from "./measure.ts";
import type { Row } from "./run.ts";
import { entropyBytes, fixedRandom, issued, scattered, sizeOf } from "./snapshot-fixture.ts";

/**
 * Octets of the snapshot of a million issued certificates against the entropy of the set (the goal is at most 1.02) and against
 * the same told by a DER list, that list in zstd, and a Bloom-filter cascade; what decoding costs in time and memory.
 */
export async function bench(): Promise<Row[]> {
  return [...(await rowsFor(0.01)), ...(await rowsFor(0.05))];
}

async function rowsFor(share: number): Promise<Row[]> {
  const set = scattered(share);
  const bytes = encodeSnapshot(set);
  const list = listOf(set);
  const zstd = zstdCompressSync(list).length;
  const cascade = cascadeBytes(set);
  const name = (what: string) => `snapshot 1M/${share * 100} %${what}`;
  const against = (of: string, yardstick: number): Row => ({
    name: name(`, against ${of}`),
    value: yardstick,
    unit: "bytes",
    ratio: bytes.length / yardstick,
    of,
  });
  const entropy = entropyBytes(sizeOf(set), issued);
  return [
    { name: name(""), value: bytes.length, unit: "bytes", ratio: bytes.length / entropy, of: "the entropy N·H(R/N)" },
    against("the DER list", list.length),
    against("the DER list in zstd", zstd),
    against("a Bloom-filter cascade", cascade),
    { name: name(", encode"), value: await medianOf7(() => encodeSnapshot(set)), unit: "ms" },
    { name: name(", decode and check"), value: await medianOf7(() => decodeSnapshot(bytes, issued)), unit: "ms" },
    { name: name(", memory held"), value: memoryOf(() => decodeSnapshot(bytes, issued)), unit: "bytes" },
  ];
}

/** The list that says the same, with the random part of each serial random. */
function listOf(set: IndexSet): Uint8Array {
  const random = fixedRandom(0x2545_f491);
  const entries = [...set.indices()].map((index, at) => ({
    serial: Serial.make({
      shard: 0,
      index,
      random13: Uint8Array.from({ length: 13 }, () => random.next().value * 256),
    }),
    revokedAt: Date.UTC(2026, 10, 1) - Math.floor(random.next().value * 90 * 86_400_000),
    reason: reasons[at % 4] ?? "superseded",
  }));
  return assembleSigned(encodeTbsCrl({ ...crlTemplate(0), entries }), "P-256", new Uint8Array(71));
}

/** What ten of them add to heap and buffers, a tenth of it. */
function memoryOf(make: () => unknown): number {
  const used = () => {
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  const before = used();
  const kept = Array.from({ length: 10 }, make);
  collect();
  return (used() - before) / kept.length;
}
