import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { contextTag, tags } from "../asn1/der-reader.ts";
import {
  derBitString,
  derElement,
  derInteger,
  derNull,
  derOctetString,
  derSequence,
  derSetOf,
  derText,
  derUnsigned,
} from "../asn1/der-writer.ts";
import { encodeOid } from "../asn1/object-identifier.ts";
import { encodeName } from "../certificate/distinguished-name.ts";
import { assembleSigned } from "../certificate/encode-certificate.ts";
import { isFleetError } from "../errors.ts";
import type { KeyAlgorithm } from "../key/key.ts";
import { parseCsr } from "./csr.ts";
import { encodeCsr } from "./encode-csr.ts";

const signer = testSigner("P-256");

describe("a certificate request", () => {
  it.each<KeyAlgorithm>(["P-256", "P-384", "RSA-2048", "RSA-3072", "Ed25519"])(
    "reads back with a key of %s",
    async (algorithm) => {
      const own = testSigner(algorithm);
      const csr = parseCsr(await encodeCsr({ signer: own, commonName: "device-1" }));
      expect(csr).toMatchObject({ keyAlgorithm: algorithm, spki: own.spki });
      expect(csr.subject.commonName).toBe("device-1");
      expect(csr.requestedSans.all).toEqual([]);
    },
  );

  it("shows the names it wishes for", async () => {
    const csr = parseCsr(await requestWith({ attributes: [namesAttribute(["a.example", "b.example"])] }));
    expect(csr.requestedSans.dns).toEqual(["a.example", "b.example"]);
  });

  it("is refused when it is signed by another key", async () => {
    const der = await requestWith({ sign: (message) => testSigner("P-256").sign(message) });
    expect(() => parseCsr(der)).toThrow(expect.objectContaining({ code: "csr-proof-invalid" }));
  });

  it("is refused when a byte of what is signed has changed", async () => {
    const der = await encodeCsr({ signer, commonName: "device-1" });
    const changed = Uint8Array.from(der);
    const at = Buffer.from(der).indexOf("device-1");
    changed[at] = 0x65;
    expect(() => parseCsr(changed)).toThrow(expect.objectContaining({ code: "csr-proof-invalid" }));
  });

  it.each([
    ["RSA of 1024 bits", rsaSpki(randomOdd(128))],
    [
      "an even RSA modulus",
      rsaSpki(Uint8Array.from(randomOdd(256), (octet, index) => (index === 255 ? octet & 0xfe : octet))),
    ],
    ["an RSA exponent of 3", rsaSpki(randomOdd(256), 3)],
    ["an even RSA exponent", rsaSpki(randomOdd(256), 65_538)],
    [
      "a point that is not on the curve",
      pointSpki("1.2.840.10045.3.1.7", Buffer.concat([Buffer.of(4), randomBytes(64)])),
    ],
    ["a compressed point", pointSpki("1.2.840.10045.3.1.7", Buffer.concat([Buffer.of(2), randomBytes(32)]))],
    ["the point at infinity", pointSpki("1.2.840.10045.3.1.7", Buffer.of(0))],
    ["the curve P-192", pointSpki("1.2.840.10045.3.1.1", Buffer.concat([Buffer.of(4), randomBytes(48)]))],
    ["the curve secp256k1", pointSpki("1.3.132.0.10", Buffer.concat([Buffer.of(4), randomBytes(64)]))],
    ["an unknown algorithm", derSequence(derSequence(encodeOid("1.2.3.4")), derBitString(randomBytes(32)))],
  ])("is refused as weak with %s", async (_, spki) => {
    const der = await requestWith({ spki });
    expect(() => parseCsr(der)).toThrow(expect.objectContaining({ code: "key-weak" }));
  });

  it("is refused with 10,000 names before a single one is read", async () => {
    const names = Array.from({ length: 10_000 }, (_, index) => `host-${index}.example`);
    const der = await requestWith({ attributes: [namesAttribute(names)] });
    expect(() => parseCsr(der)).toThrow("limit 4096");
    expect(() => parseCsr(der)).toThrow(expect.objectContaining({ code: "csr-invalid" }));
  });

  it.each<[string, Parameters<typeof requestWith>[0]]>([
    [
      "NUL in its common name",
      { subject: derSequence(derSetOf([derSequence(encodeOid("2.5.4.3"), derText(tags.utf8String, "a\0b"))])) },
    ],
    ["NUL in a wished name", { attributes: [namesAttribute(["good.example\0.evil.example"])] }],
    ["another version", { version: derInteger(1) }],
    ["the same attribute twice", { attributes: [namesAttribute(["a"]), namesAttribute(["b"])] }],
    ["an empty list of wished names", { attributes: [namesAttribute([])] }],
    ["bytes behind its fields", { tail: derNull() }],
  ])("is refused as malformed with %s", async (_, parts) => {
    const der = await requestWith(parts);
    expect(() => parseCsr(der)).toThrow(expect.objectContaining({ code: "csr-invalid" }));
  });

  it("gives a typed error for random bytes and for any change of its own", async () => {
    const der = await encodeCsr({ signer, commonName: "device-1" });
    fc.assert(
      fc.property(
        fc.nat(der.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.uint8Array({ maxLength: 100 }),
        (at, mask, noise) => {
          const changed = Uint8Array.from(der);
          changed[at] = (changed[at] as number) ^ mask;
          for (const bytes of [changed, der.subarray(0, at), noise, derSequence(noise)]) {
            expect(() => parseCsr(bytes)).toThrow(
              expect.toSatisfy((error) => isFleetError(error, "csr-invalid", "csr-proof-invalid", "key-weak")),
            );
          }
        },
      ),
    );
  });
});

/** A request that is well made but for the parts given. */
async function requestWith(parts: {
  readonly version?: Uint8Array;
  readonly subject?: Uint8Array;
  readonly spki?: Uint8Array;
  readonly attributes?: readonly Uint8Array[];
  readonly tail?: Uint8Array;
  readonly sign?: (message: Uint8Array) => Promise<Uint8Array>;
}): Promise<Uint8Array> {
  const info = derSequence(
    parts.version ?? derInteger(0),
    parts.subject ?? encodeName({ commonName: "device-1" }),
    parts.spki ?? signer.spki,
    derElement(contextTag(0, "constructed"), ...(parts.attributes ?? [])),
    parts.tail ?? new Uint8Array(0),
  );
  return assembleSigned(info, "P-256", await (parts.sign ?? signer.sign)(info));
}

function namesAttribute(names: readonly string[]): Uint8Array {
  const value = derSequence(...names.map((name) => derText(contextTag(2, "primitive"), name)));
  const extensions = derSequence(derSequence(encodeOid("2.5.29.17"), derOctetString(value)));
  return derSequence(encodeOid("1.2.840.113549.1.9.14"), derSetOf([extensions]));
}

function rsaSpki(modulus: Uint8Array, exponent = 65_537): Uint8Array {
  const key = derSequence(derUnsigned(modulus), derInteger(exponent));
  return derSequence(derSequence(encodeOid("1.2.840.113549.1.1.1"), derNull()), derBitString(key));
}

function pointSpki(curve: string, point: Uint8Array): Uint8Array {
  return derSequence(derSequence(encodeOid("1.2.840.10045.2.1"), encodeOid(curve)), derBitString(point));
}

/** Of exactly so many octets, the highest bit set, odd. */
function randomOdd(octets: number): Uint8Array {
  const number = new Uint8Array(randomBytes(octets));
  number[0] = (number[0] as number) | 0x80;
  number[octets - 1] = (number[octets - 1] as number) | 1;
  return number;
}
