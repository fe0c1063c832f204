import { createPublicKey } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { ecdsaSignatureFromRaw, ecdsaSignatureToRaw } from "./ecdsa-signature.ts";
import type { KeyAlgorithm } from "./key.ts";
import { keyAlgorithmOf } from "./key-algorithm.ts";
import { signatureAlgorithmOf } from "./signature-algorithm.ts";
import { verifySignature } from "./verify-signature.ts";

const algorithms: KeyAlgorithm[] = ["P-256", "P-384", "RSA-2048", "RSA-3072", "Ed25519"];
const signers = algorithms.map((algorithm) => testSigner(algorithm));
const message = new TextEncoder().encode("a message");

describe("signatures", () => {
  it.each(signers)("of a $algorithm key hold for their message and no other", async (signer) => {
    const { spki } = signer;
    const signature = await signer.sign(message);
    expect(verifySignature({ spki, message, signature })).toBe(true);
    expect(verifySignature({ spki, message: Uint8Array.of(1), signature })).toBe(false);
    expect(verifySignature({ spki, algorithm: signatureAlgorithmOf(signer.algorithm), message, signature })).toBe(true);
  });

  it("do not hold under an algorithm of another kind of key", async () => {
    for (const signer of signers) {
      const signature = await signer.sign(message);
      for (const other of signers) {
        const algorithm = signatureAlgorithmOf(other.algorithm);
        const isSame = Buffer.from(algorithm).equals(signatureAlgorithmOf(signer.algorithm));
        expect(verifySignature({ spki: signer.spki, algorithm, message, signature })).toBe(isSame);
      }
    }
  });

  it.each(["P-256", "P-384"] as const)("of a point off %s cannot hold: OpenSSL does not import its key", (curve) => {
    const spki = Buffer.from(testSigner(curve).spki);
    const pem = () => `-----BEGIN PUBLIC KEY-----\n${spki.toString("base64")}\n-----END PUBLIC KEY-----\n`;
    expect(createPublicKey(pem()).asymmetricKeyType).toBe("ec");
    spki[spki.length - 1] = (spki.at(-1) as number) ^ 1;
    expect(() => keyAlgorithmOf(spki)).toThrow(expect.objectContaining({ code: "key-weak" }));
    expect(() => createPublicKey(pem())).toThrow();
  });

  it("are answered with false, never with an error, whatever the bytes", () => {
    const noise = fc.uint8Array({ maxLength: 120 });
    fc.assert(
      fc.property(
        fc.constantFrom(...signers),
        noise,
        noise,
        fc.option(noise, { nil: undefined }),
        (signer, some, signature, algorithm) => {
          expect(verifySignature({ spki: some, message, signature })).toBe(false);
          expect(verifySignature({ spki: signer.spki, message, signature, ...(algorithm && { algorithm }) })).toBe(
            false,
          );
        },
      ),
    );
  });

  it.each(["P-256", "P-384"] as const)("of %s turn from DER to raw and back", async (curve) => {
    const signer = testSigner(curve);
    for (let count = 0; count < 20; count++) {
      const signature = await signer.sign(Uint8Array.of(count));
      const raw = ecdsaSignatureToRaw(signature, curve);
      expect(raw).toHaveLength(curve === "P-256" ? 64 : 96);
      expect(ecdsaSignatureFromRaw(raw, curve)).toEqual(signature);
    }
  });

  it("in raw form have the length of their curve", () => {
    expect(ecdsaSignatureFromRaw(new Uint8Array(63), "P-256")).toBeUndefined();
    const tooLarge = ecdsaSignatureFromRaw(new Uint8Array(96).fill(1), "P-384") as Uint8Array;
    expect(() => ecdsaSignatureToRaw(tooLarge, "P-256")).toThrow(expect.objectContaining({ code: "der-invalid" }));
  });
});

describe("the algorithm of a key", () => {
  it("is found from its SubjectPublicKeyInfo", () => {
    expect(signers.map(({ spki }) => keyAlgorithmOf(spki))).toEqual(algorithms);
  });

  it("is refused as weak for any other bytes", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...signers),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        ({ spki }, position, mask) => {
          const changed = Uint8Array.from(spki);
          const at = position % 12;
          changed[at] = (changed[at] as number) ^ mask;
          expect(() => keyAlgorithmOf(changed)).toThrow(expect.objectContaining({ code: "key-weak" }));
        },
      ),
    );
  });
});
