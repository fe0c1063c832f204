/** Whether an affine point lies on a NIST curve y² = x³ − 3x + b (SP 800-186 §3.2.1). Cofactor 1: no subgroup to check. */
export function isOnCurve(curve: keyof typeof curves, point: { readonly x: bigint; readonly y: bigint }): boolean {
  const { p, b } = curves[curve];
  const { x, y } = point;
  if (x >= p || y >= p) return false;
  return (y * y - (x * x - 3n) * x - b) % p === 0n;
}

const curves = {
  "P-256": {
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  },
  "P-384": {
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  },
} as const;
