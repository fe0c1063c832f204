import { createPublicKey, generatePrimeSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { derBitString, derInteger, derNull, derSequence } from "../asn1/der-writer.ts";
import { fromHex } from "../asn1/hex.ts";
import { encodeOid } from "../asn1/object-identifier.ts";
import { isOnCurve, isUsableEd25519Point } from "./curve.ts";
import { keyAlgorithmOf } from "./key-algorithm.ts";
import { weaknessOfModulus } from "./weak-rsa.ts";

describe("an RSA key", () => {
  it("is refused when a known short cut factors it", () => {
    const spki = (modulus: bigint) =>
      derSequence(
        derSequence(encodeOid("1.2.840.113549.1.1.1"), derNull()),
        derBitString(derSequence(derInteger(modulus), derInteger(65_537))),
      );
    expect(keyAlgorithmOf(spki(goodModulus()))).toBe("RSA-2048");
    expect(() => keyAlgorithmOf(spki(smallFactor()))).toThrow("divisible by 751");
    expect(() => keyAlgorithmOf(spki(roca()))).toThrow("ROCA");
    expect(() => keyAlgorithmOf(spki(closePrimes()))).toThrow("too close");
    expect(() => keyAlgorithmOf(spki(roca()))).toThrow(expect.objectContaining({ code: "key-weak" }));
  });

  it("of an honest generator is never called weak", () => {
    for (let count = 0; count < 5; count++) {
      const { n } = createPublicKey(testSigner("RSA-2048").privatePem).export({ format: "jwk" }) as { n: string };
      expect(weaknessOfModulus(BigInt(`0x${Buffer.from(n, "base64url").toString("hex")}`))).toBeUndefined();
    }
  });
});

describe("an Ed25519 key", () => {
  it("of an honest generator is a usable point", () => {
    for (let count = 0; count < 10; count++) {
      expect(isUsableEd25519Point(testSigner("Ed25519").spki.subarray(-32))).toBe(true);
    }
  });

  it.each([
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  ])("is refused when its point %s is of small order", (hex) => {
    expect(isUsableEd25519Point(fromHex(hex))).toBe(false);
    const spki = derSequence(derSequence(encodeOid("1.3.101.112")), derBitString(fromHex(hex)));
    expect(() => keyAlgorithmOf(spki)).toThrow(expect.objectContaining({ code: "key-weak" }));
  });

  it("is refused when its point is not canonical or not on the curve", () => {
    expect(isUsableEd25519Point(fromHex(`ee${"ff".repeat(30)}7f`))).toBe(false);
    // Half of all y have no x; of these 64 about 32 are left out.
    const usable = Array.from({ length: 64 }, (_, y) =>
      fromHex(`${(y + 2).toString(16).padStart(2, "0")}${"00".repeat(31)}`),
    ).filter(isUsableEd25519Point);
    expect(usable.length).toBeGreaterThan(15);
    expect(usable.length).toBeLessThan(50);
  });
});

describe("a point of a NIST curve", () => {
  it.each(["P-256", "P-384"] as const)("of %s is recognised from its equation", (curve) => {
    const point = testSigner(curve).spki.subarray(curve === "P-256" ? -64 : -96);
    const half = point.length / 2;
    const [x, y] = [point.subarray(0, half), point.subarray(half)].map((part) =>
      BigInt(`0x${Buffer.from(part).toString("hex")}`),
    ) as [bigint, bigint];
    expect(isOnCurve(curve, { x, y })).toBe(true);
    expect(isOnCurve(curve, { x, y: y + 1n })).toBe(false);
    expect(isOnCurve(curve, { x: x + 2n ** 400n, y })).toBe(false);
  });
});

const prime = (bits: number): bigint => generatePrimeSync(bits, { bigint: true });

const goodModulus = (): bigint => fullLength(() => prime(1024) * prime(1024));

const smallFactor = (): bigint => fullLength(() => 751n * prime(2038));

/** Its residues modulo the first 39 primes are powers of 65537, as ROCA makes them. */
function roca(): bigint {
  const primorial = primes(39).reduce((product, factor) => product * BigInt(factor), 1n);
  const residue = 65_537n ** 7n % primorial;
  return fullLength(
    () => (prime(2048) / primorial) * primorial + residue,
    (modulus) => primes(132).every((factor) => modulus % BigInt(factor) !== 0n),
  );
}

function closePrimes(): bigint {
  const first = prime(1024);
  for (let second = first + 2n; ; second += 2n) {
    // Any odd neighbour without small factors will do: Fermat's method asks for closeness only.
    const modulus = first * second;
    if (modulus.toString(2).length === 2048 && primes(132).every((factor) => second % BigInt(factor) !== 0n))
      return modulus;
    if (second > first + 10_000n) return closePrimes();
  }
}

function fullLength(make: () => bigint, isWanted = (_: bigint) => true): bigint {
  for (;;) {
    const modulus = make();
    if (modulus.toString(2).length === 2048 && isWanted(modulus)) return modulus;
  }
}

function primes(count: number): number[] {
  const found: number[] = [];
  for (let candidate = 2; found.length < count; candidate++)
    if (found.every((factor) => candidate % factor !== 0)) found.push(candidate);
  return found;
}
