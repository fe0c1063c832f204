import { FleetError } from "../errors.ts";

/** The Rice parameter for which gaps take the fewest bits, and how many octets that is. */
export function bestRice(gaps: readonly number[]): { readonly parameter: number; readonly bytes: number } {
  // Ones before the zero, by parameter: a gap adds nothing any more once it is shifted away.
  const ones = new Float64Array(maxParameter + 1);
  for (const gap of gaps) {
    for (let parameter = 0, rest = gap - 1; rest > 0; parameter += 1, rest >>>= 1) {
      ones[parameter] = (ones[parameter] as number) + rest;
    }
  }
  let best = { parameter: 0, bytes: Number.POSITIVE_INFINITY };
  for (const [parameter, count] of ones.entries()) {
    const bytes = Math.ceil((count + gaps.length * (1 + parameter)) / 8);
    if (bytes < best.bytes) best = { parameter, bytes };
  }
  return best;
}

/** Gaps in Rice code: (gap − 1) >> parameter as that many ones and a zero, then the low bits; highest bit first. */
export function encodeRice(gaps: readonly number[], parameter: number, bytes: number): Uint8Array {
  const out = new Uint8Array(bytes);
  let at = 0;
  const put = (bit: number) => {
    if (bit === 1) out[at >>> 3] = (out[at >>> 3] as number) | (0x80 >>> (at & 7));
    at += 1;
  };
  for (const gap of gaps) {
    const value = gap - 1;
    for (let left = Math.floor(value / 2 ** parameter); left > 0; left -= 1) put(1);
    put(0);
    for (let shift = parameter - 1; shift >= 0; shift -= 1) put((value >>> shift) & 1);
  }
  return out;
}

/** Reads `count` gaps. Throws `revocation-invalid` when the octets end early, are left over, or are padded with ones. */
export function decodeRice(
  bytes: Uint8Array,
  { parameter, count }: { readonly parameter: number; readonly count: number },
  take: (gap: number) => void,
): void {
  if (parameter > maxParameter) throw invalid("has a Rice parameter out of range");
  const end = bytes.length * 8;
  let at = 0;
  const next = () => {
    if (at >= end) throw invalid("ends early");
    const bit = ((bytes[at >>> 3] as number) >>> (7 - (at & 7))) & 1;
    at += 1;
    return bit;
  };
  for (let read = 0; read < count; read += 1) {
    let quotient = 0;
    while (next() === 1) quotient += 1;
    let low = 0;
    for (let bit = 0; bit < parameter; bit += 1) low = low * 2 + next();
    take(quotient * 2 ** parameter + low + 1);
  }
  if (end - at >= 8) throw invalid("has octets left over");
  while (at < end) if (next() === 1) throw invalid("is padded with ones");
}

function invalid(what: string): FleetError {
  return new FleetError("revocation-invalid", `the snapshot ${what}`);
}

const maxParameter = 30;
