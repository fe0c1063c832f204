import { createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ecdsaToDer } from "./ecdsa-der.ts";

describe("ECDSA signatures of tokens", () => {
  it.each([
    ["P-256", 32, "sha256"],
    ["P-384", 48, "sha384"],
  ] as const)("of %s become DER that node:crypto verifies", (namedCurve, bytes, hash) => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve });
    const publicKey = createPublicKey(privateKey);
    for (let round = 0; round < 200; round++) {
      const message = Buffer.from(`${round}`);
      const raw = sign(hash, message, { key: privateKey, dsaEncoding: "ieee-p1363" });
      expect(verify(hash, message, publicKey, ecdsaToDer(raw, bytes))).toBe(true);
    }
  });

  it("become minimal DER integers for any r and s", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), fc.nat(32), fc.nat(32), (raw, zeroR, zeroS) => {
        raw.fill(0, 0, zeroR);
        raw.fill(0, 32, 32 + zeroS);
        const der = ecdsaToDer(raw, 32);
        const { r, s, end } = readTwoIntegers(der);
        expect(end).toBe(der.length);
        expect(r).toBe(BigInt(`0x${Buffer.from(raw.subarray(0, 32)).toString("hex")}`));
        expect(s).toBe(BigInt(`0x${Buffer.from(raw.subarray(32)).toString("hex")}`));
      }),
    );
  });

  it.each([0, 1, 63, 65, 96])("of %i bytes are refused for P-256", (length) => {
    expect(() => ecdsaToDer(new Uint8Array(length), 32)).toThrowError(expect.objectContaining({ code: "token-error" }));
  });
});

/** A second reader, strict about minimal length (X.690 §8.3.2). */
function readTwoIntegers(der: Uint8Array): { r: bigint; s: bigint; end: number } {
  expect(der[0]).toBe(0x30);
  expect(der[1]).toBe(der.length - 2);
  let at = 2;
  const integer = (): bigint => {
    expect(der[at]).toBe(2);
    const content = der.subarray(at + 2, at + 2 + (der[at + 1] ?? 0));
    at += 2 + content.length;
    const [first = 0, second = 0] = content;
    expect(first).toBeLessThan(0x80);
    if (content.length > 1 && first === 0) expect(second).toBeGreaterThanOrEqual(0x80);
    return BigInt(`0x${Buffer.from(content).toString("hex")}`);
  };
  return { r: integer(), s: integer(), end: at };
}
