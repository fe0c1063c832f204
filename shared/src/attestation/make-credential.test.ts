import { createHmac } from "node:crypto";
import { nodeCredentialCrypto } from "@fleetcert/hw";
import { describe, expect, it } from "vitest";
import { openCredential } from "../../../test/support/agent/open-credential.ts";
import { honestSigning, honestStorage, softwareTpmKey } from "../../../test/support/keys/software-tpm.ts";
import { deriveKey } from "./key-derivation.ts";
import { makeCredential } from "./make-credential.ts";
import { nameOfPublicArea } from "./public-area.ts";

const name = nameOfPublicArea(softwareTpmKey({ attributes: honestSigning }).area);
const challenge = new Uint8Array(32).fill(7);

describe("a credential", () => {
  it.each([
    ["RSA-2048", "sha256", 128],
    ["P-256", "sha256", 128],
    ["P-384", "sha384", 256],
  ] as const)(
    "is opened by who holds the %s endorsement key, step by step as Part 1 §24 says",
    (kind, nameHash, bits) => {
      const key = softwareTpmKey({
        attributes: honestStorage,
        kind,
        nameHash,
        symmetric: { algorithm: "aes", bits, mode: "cfb" },
      });
      const made = makeCredential(nodeCredentialCrypto, { endorsementKey: key.area, name, challenge });
      expect(openCredential(key, name, made)).toEqual(challenge);
      const again = makeCredential(nodeCredentialCrypto, { endorsementKey: key.area, name, challenge });
      expect(again.secret).not.toEqual(made.secret);
    },
  );

  it("is not made for a key that is no storage key or signs, nor for an empty or too long challenge", () => {
    const signing = softwareTpmKey({
      attributes: honestSigning,
      symmetric: { algorithm: "aes", bits: 128, mode: "cfb" },
    });
    const plain = softwareTpmKey({ attributes: honestStorage });
    for (const { area } of [signing, plain])
      expect(() => makeCredential(nodeCredentialCrypto, { endorsementKey: area, name, challenge })).toThrow(
        expect.objectContaining({ attestationFailure: "endorsement-key" }),
      );
    const key = softwareTpmKey({ attributes: honestStorage, symmetric: { algorithm: "aes", bits: 128, mode: "cfb" } });
    for (const length of [0, 33])
      expect(() =>
        makeCredential(nodeCredentialCrypto, { endorsementKey: key.area, name, challenge: new Uint8Array(length) }),
      ).toThrow(expect.objectContaining({ attestationFailure: "malformed" }));
  });

  it("says attestation-invalid for a point that is on no curve", () => {
    const key = softwareTpmKey({ attributes: honestStorage, symmetric: { algorithm: "aes", bits: 128, mode: "cfb" } });
    const broken = { ...key.area, key: { type: "ecc", curve: "P-256", x: new Uint8Array(32), y: challenge } } as const;
    expect(() => makeCredential(nodeCredentialCrypto, { endorsementKey: broken, name, challenge })).toThrow(
      expect.objectContaining({ code: "attestation-invalid" }),
    );
  });
});

describe("KDFa", () => {
  it("is counter mode of SP 800-108 with HMAC, cut to length", () => {
    const key = Buffer.from("key");
    const block = (counter: number) =>
      createHmac("sha256", key)
        .update(Buffer.from([0, 0, 0, counter]))
        .update("CFB\0uv")
        .update(Buffer.from([0, 0, 1, 0x80]))
        .digest();
    const derived = deriveKey(nodeCredentialCrypto, key, {
      hash: "sha256",
      label: "CFB",
      contextU: Buffer.from("u"),
      contextV: Buffer.from("v"),
      bits: 384,
    });
    expect(Buffer.from(derived)).toEqual(Buffer.concat([block(1), block(2)]).subarray(0, 48));
  });
});
