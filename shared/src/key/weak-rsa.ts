/**
 * Why an RSA modulus can be factored by known short cuts, undefined when none of them applies: a factor below 752, the
 * generator of Infineon's library (ROCA, CVE-2017-15361, which shipped in TPMs and smart cards), or two primes so close
 * that a hundred rounds of Fermat's method part them (Baseline Requirements §6.1.6).
 */
export function weaknessOfModulus(modulus: bigint): string | undefined {
  tables ??= makeTables();
  const { smallPrimes, fingerprints } = tables;
  const residues = smallPrimes.map((prime) => Number(modulus % BigInt(prime)));
  if (residues.includes(0)) return `it is divisible by ${smallPrimes[residues.indexOf(0)]}`;
  if (fingerprints.every(({ index, powers }) => powers.has(residues[index] as number)))
    return "it was made by a generator whose keys can be factored (ROCA, CVE-2017-15361)";
  return hasCloseFactors(modulus) ? "its two primes are too close to each other" : undefined;
}

/** Fermat: N = a² − b² for an a just above √N when the primes are close. */
function hasCloseFactors(modulus: bigint): boolean {
  let root = squareRoot(modulus);
  if (root * root < modulus) root++;
  let rest = root * root - modulus;
  for (let round = 0; round < 100; round++) {
    if (isSquare(rest)) return true;
    rest += 2n * root + 1n;
    root++;
  }
  return false;
}

function isSquare(number: bigint): boolean {
  // Squares leave 12 of 64 residues; most candidates end here.
  if (!squareResidues.has(Number(number & 63n))) return false;
  const root = squareRoot(number);
  return root * root === number;
}

/** Largest integer whose square is not above the number (Newton, from above). */
function squareRoot(number: bigint): bigint {
  if (number < 2n) return number;
  let root = 1n << BigInt((number.toString(16).length * 4 + 1) >> 1);
  for (;;) {
    const next = (root + number / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

function primesBelow(limit: number): number[] {
  const primes: number[] = [];
  for (let candidate = 2; candidate < limit; candidate++)
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate);
  return primes;
}

/** Powers of 65537 modulo a prime: the only residues a ROCA modulus has. */
function powersOf65537(prime: number): ReadonlySet<number> {
  const powers = new Set<number>();
  for (let power = 1; !powers.has(power); power = (power * (65_537 % prime)) % prime) powers.add(power);
  return powers;
}

interface Tables {
  readonly smallPrimes: readonly number[];
  /** The first 39 primes, those left out whose residues say nothing because 65537 generates them all. */
  readonly fingerprints: readonly { readonly index: number; readonly powers: ReadonlySet<number> }[];
}

function makeTables(): Tables {
  const smallPrimes = primesBelow(752);
  const fingerprints = smallPrimes
    .slice(0, 39)
    .map((prime, index) => ({ index, prime, powers: powersOf65537(prime) }))
    .filter(({ prime, powers }) => powers.size < prime - 1);
  return { smallPrimes, fingerprints };
}

/** Made for the first RSA key: at the start of every program it would wake the optimizing compiler, which costs 6 MB. */
let tables: Tables | undefined;

const squareResidues: ReadonlySet<number> = new Set(Array.from({ length: 64 }, (_, root) => (root * root) & 63));
