import {
  constants,
  createDecipheriv,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  privateDecrypt,
} from "node:crypto";
import { nodeCredentialCrypto } from "@fleetcert/hw";
import { describe, expect, it } from "vitest";
import {
  honestSigning,
  honestStorage,
  type SoftwareTpmKey,
  softwareTpmKey,
} from "../../../test/support/software-tpm.ts";
import { deriveKey } from "./key-derivation.ts";
import { type MadeCredential, makeCredential } from "./make-credential.ts";
import { nameOfPublicArea } from "./public-area.ts";
import { spkiOfPublicArea } from "./public-area-spki.ts";

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
      expect(open(key, made, bits)).toEqual(Buffer.from(challenge));
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

/** What TPM2_ActivateCredential does, written down once more. */
function open({ area, privateKey }: SoftwareTpmKey, { credentialBlob, secret }: MadeCredential, bits: number): Buffer {
  const hash = area.nameHash;
  const seed = openSeed({ area, privateKey }, Buffer.from(secret));
  const size = createHash(hash).digest().length;
  const blob = Buffer.from(credentialBlob);
  const mac = blob.subarray(2, 2 + size);
  const identity = blob.subarray(2 + size);
  const kdf = (label: string, context: Uint8Array, length: number): Buffer => {
    const size32 = Buffer.alloc(4);
    size32.writeUInt32BE(length);
    const full = createHmac(hash, seed)
      .update(Buffer.of(0, 0, 0, 1))
      .update(`${label}\0`)
      .update(context)
      .update(size32);
    return full.digest().subarray(0, length / 8);
  };
  const wanted = createHmac(hash, kdf("INTEGRITY", Buffer.alloc(0), size * 8))
    .update(identity)
    .update(name)
    .digest();
  expect(mac).toEqual(wanted);
  const decipher = createDecipheriv(`aes-${bits}-cfb`, kdf("STORAGE", name, bits), Buffer.alloc(16));
  return Buffer.concat([decipher.update(identity), decipher.final()]).subarray(2);
}

function openSeed({ area, privateKey }: Pick<SoftwareTpmKey, "area" | "privateKey">, secret: Buffer): Buffer {
  if (area.key.type === "rsa") {
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const options = { key: privateKey, padding, oaepHash: area.nameHash, oaepLabel: Buffer.from("IDENTITY\0") };
    return privateDecrypt(options, secret);
  }
  const size = secret.readUInt16BE(0);
  const x = secret.subarray(2, 2 + size);
  const peer = { ...area, key: { ...area.key, x, y: secret.subarray(4 + size) } };
  const publicKey = createPublicKey({ key: Buffer.from(spkiOfPublicArea(peer)), format: "der", type: "spki" });
  const shared = diffieHellman({ privateKey, publicKey });
  return createHash(area.nameHash)
    .update(Buffer.of(0, 0, 0, 1))
    .update(shared)
    .update("IDENTITY\0")
    .update(x)
    .update(area.key.x)
    .digest();
}
