import { constants, generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, it } from "vitest";
import { pssSaltLength } from "./pss-salt.ts";

describe("the salt of a PSS signature", () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const spki = publicKey.export({ type: "spki", format: "der" });

  it.each([
    ["sha256", 0],
    ["sha256", 32],
    ["sha256", 222],
    ["sha384", 48],
    ["sha512", 64],
    ["sha512", 190],
  ] as const)("of %s and %d octets is seen", (hash, saltLength) => {
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    for (let round = 0; round < 5; round++) {
      const signature = sign(hash, Buffer.from(`${round}`), { key: privateKey, padding, saltLength });
      expect(pssSaltLength(spki, { hash, signature })).toBe(saltLength);
    }
  });

  it("is undefined where there is no such padding", () => {
    const signature = sign("sha256", Buffer.from("x"), privateKey);
    expect(pssSaltLength(spki, { hash: "sha256", signature })).toBeUndefined();
  });
});
