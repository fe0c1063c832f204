import { FleetError } from "@fleetcert/shared";

/**
 * Turns a token's ECDSA signature (r and s of equal length, PKCS#11 3.0 §6.3.1) into the DER that X.509 and TLS use
 * (RFC 3279 §2.2.3). Throws `token-error` when the length does not fit the curve.
 */
export function ecdsaToDer(raw: Uint8Array, curveBytes: number): Uint8Array {
  if (raw.length !== 2 * curveBytes) {
    throw new FleetError("token-error", `the token gave ${raw.length} bytes as signature, not ${2 * curveBytes}`);
  }
  const r = integer(raw.subarray(0, curveBytes));
  const s = integer(raw.subarray(curveBytes));
  // At most 2 × (2 + 49) octets: a short length always fits.
  return Uint8Array.of(0x30, r.length + s.length, ...r, ...s);
}

function integer(number: Uint8Array): number[] {
  const start = number.findIndex((octet) => octet !== 0);
  const octets = start < 0 ? [0] : [...number.subarray(start)];
  if ((octets[0] ?? 0) >= 0x80) octets.unshift(0);
  return [0x02, octets.length, ...octets];
}
