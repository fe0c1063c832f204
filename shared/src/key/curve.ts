/** Whether an affine point lies on a NIST curve y² = x³ − 3x + b (SP 800-186 §3.2.1). Cofactor 1: no subgroup to check. */
export function isOnCurve(curve: keyof typeof curves, point: { readonly x: bigint; readonly y: bigint }): boolean {
  const { p, b } = curves[curve];
  const { x, y } = point;
  if (x >= p || y >= p) return false;
  return (y * y - (x * x - 3n) * x - b) % p === 0n;
}

/**
 * Whether 32 octets are a usable Ed25519 point (RFC 8032 §5.1.3): canonical, on −x² + y² = 1 + d·x²y², and not one of the
 * eight of small order, under which signatures that nobody made would hold.
 */
export function isUsableEd25519Point(octets: Uint8Array): boolean {
  const y = BigInt(`0x${Buffer.from(octets).reverse().toString("hex")}`) & ((1n << 255n) - 1n);
  if (y >= edwards.p) return false;
  const y2 = (y * y) % edwards.p;
  if (hasSmallOrder(y, y2)) return false;
  // x² = (y² − 1) / (d·y² + 1), and u / v is a square exactly when u · v is. With d = −n / m both sides are taken times m.
  const u = (y2 - 1n) * edwards.m;
  const v = edwards.m - edwards.n * y2;
  return power(modulo(u * v), (edwards.p - 1n) / 2n) === 1n;
}

/** y of the points of order 1, 2, 4, and 8, where doubling gives y = 0: d·y⁴ + 2y² − 1 = 0. */
function hasSmallOrder(y: bigint, y2: bigint): boolean {
  if (y === 0n || y === 1n || y === edwards.p - 1n) return true;
  return modulo(edwards.m * (2n * y2 - 1n) - edwards.n * y2 * y2) === 0n;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let [square, rest] = [base, exponent]; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = modulo(result * square);
    square = modulo(square * square);
  }
  return result;
}

const modulo = (number: bigint): bigint => ((number % edwards.p) + edwards.p) % edwards.p;

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

/** edwards25519 (RFC 8032 §5.1): d = −121665 / 121666. */
const edwards = { p: 2n ** 255n - 19n, n: 121_665n, m: 121_666n } as const;
