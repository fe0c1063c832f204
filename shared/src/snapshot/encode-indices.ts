import { FleetError } from "../errors.ts";
import { decodeAdaptive, encodeAdaptive } from "./adaptive-gaps.ts";
import { bestRice, decodeRice, encodeRice } from "./rice-gaps.ts";

/**
 * Encodes indices (ascending, distinct) in the smaller of two codes; deterministic, so that the same set always gives the same
 * octets. Layout: octet 0 code (1 Rice, 2 adaptive), octet 1 Rice parameter (0 when adaptive), LEB128 count, coded gaps.
 */
export function encodeIndices(indices: Iterable<number>): Uint8Array {
  const gaps: number[] = [];
  let previous = -1;
  for (const index of indices) {
    gaps.push(index - previous);
    previous = index;
  }
  const rice = bestRice(gaps);
  const adaptive = encodeAdaptive(gaps);
  const isRice = rice.bytes <= adaptive.length;
  const body = isRice ? encodeRice(gaps, rice.parameter, rice.bytes) : adaptive;
  const head = [isRice ? codes.rice : codes.adaptive, isRice ? rice.parameter : 0, ...leb128(gaps.length)];
  const out = new Uint8Array(head.length + body.length);
  out.set(head);
  out.set(body, head.length);
  return out;
}

/**
 * Reads indices below `size`, ascending, at most `maxCount`; each is handed over as soon as it is known. A few octets can say
 * millions of indices, so the count is looked at first. Throws `revocation-invalid`.
 */
export function decodeIndices(
  bytes: Uint8Array,
  { size, maxCount = size }: { readonly size: number; readonly maxCount?: number | undefined },
  take: (index: number) => void,
): void {
  const { count, at } = readCount(bytes);
  if (count > Math.min(size, maxCount)) throw invalid(`${count} indices are more than ${Math.min(size, maxCount)}`);
  let previous = -1;
  const step = (gap: number) => {
    previous += gap;
    if (previous >= size) throw invalid(`index ${previous} lies outside a shard of ${size}`);
    take(previous);
  };
  const [code, parameter = 0] = bytes;
  const body = bytes.subarray(at);
  if (code === codes.rice) decodeRice(body, { parameter, count }, step);
  else if (code === codes.adaptive && parameter === 0) decodeAdaptive(body, count, step);
  else throw invalid("its code is unknown");
}

function readCount(bytes: Uint8Array): { count: number; at: number } {
  let count = 0;
  for (let at = 2, scale = 1; at < bytes.length && at < 2 + 4; at += 1, scale *= 128) {
    const octet = bytes[at] as number;
    count += (octet & 0x7f) * scale;
    if (octet >= 0x80) continue;
    if (octet === 0 && at > 2) break;
    return { count, at: at + 1 };
  }
  throw invalid("its count is malformed");
}

function leb128(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) out.push((rest & 0x7f) | 0x80);
  return [...out, rest];
}

function invalid(what: string): FleetError {
  return new FleetError("revocation-invalid", `the snapshot cannot be read: ${what}`);
}

const codes = { rice: 1, adaptive: 2 } as const;
