import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cpuMsOf } from "../../../test/support/cpu-time.ts";
import { contextTag, tags } from "../asn1/der-reader.ts";
import { derElement, derInteger, derNull, derOctetString, derSequence } from "../asn1/der-writer.ts";
import { encodeOid } from "../asn1/object-identifier.ts";
import { encodeExtension } from "../certificate/extension.ts";
import { isFleetError } from "../errors.ts";
import { maxOcspCertIds, maxOcspRequestBytes, ocspOids, parseOcspRequest } from "./ocsp-request.ts";

const sha1 = "1.3.14.3.2.26";
const certId = (serial: bigint, algorithm = derSequence(encodeOid(sha1), derNull())) =>
  derSequence(
    algorithm,
    derOctetString(new Uint8Array(20).fill(1)),
    derOctetString(new Uint8Array(20).fill(2)),
    derInteger(serial),
  );
const request = (singles: readonly Uint8Array[], ...more: readonly Uint8Array[]) =>
  derSequence(derSequence(derSequence(...singles), ...more));
const extensions = (number: number, ...list: readonly Uint8Array[]) =>
  derElement(contextTag(number, "constructed"), derSequence(...list));
const nonce = (value: Uint8Array, critical = false) => encodeExtension(ocspOids.nonce, { critical, value });
const code = (der: Uint8Array): string => {
  try {
    parseOcspRequest(der);
    return "read";
  } catch (error) {
    if (isFleetError(error)) return error.code;
    throw error;
  }
};

describe("an OCSP request", () => {
  it("is read: certificates, hashes and nonce", () => {
    const der = request(
      [derSequence(certId(77n)), derSequence(certId(78n))],
      extensions(2, nonce(derOctetString(Uint8Array.of(5, 6)))),
    );
    const read = parseOcspRequest(der);
    expect(read.certIds.map(({ serial, hashAlgorithm }) => [serial.hex, hashAlgorithm])).toEqual([
      ["4d", sha1],
      ["4e", sha1],
    ]);
    expect(read.nonce).toEqual(Uint8Array.of(5, 6));
    expect(read.certIds[0].der).toEqual(certId(77n));
  });

  it("is refused where it is not what RFC 6960 describes", () => {
    const one = derSequence(certId(77n));
    const unknownCritical = encodeExtension("1.2.3", { critical: true, value: derNull() });
    expect(code(request([one]))).toBe("read");
    const bad = {
      empty: request([]),
      "too many": request(Array.from({ length: maxOcspCertIds + 1 }, () => one)),
      "critical extension": request([one], extensions(2, unknownCritical)),
      "critical extension of one": request([derSequence(certId(77n), extensions(0, unknownCritical))]),
      "empty nonce": request([one], extensions(2, nonce(derOctetString()))),
      "long nonce": request([one], extensions(2, nonce(derOctetString(new Uint8Array(129))))),
      "raw nonce": request([one], extensions(2, nonce(Uint8Array.of(1, 2, 3)))),
      "serial zero": request([derSequence(certId(0n))]),
      "hash with parameters": request([derSequence(certId(1n, derSequence(encodeOid(sha1), derInteger(1))))]),
      "other version": derSequence(
        derSequence(derElement(contextTag(0, "constructed"), derInteger(1)), derSequence(one)),
      ),
      "octets behind": derSequence(derSequence(derSequence(one)), derNull()),
      "too long": derSequence(derElement(tags.octetString, new Uint8Array(maxOcspRequestBytes))),
    };
    for (const [name, der] of Object.entries(bad)) expect(code(der), name).toBe("request-invalid");
  });

  it("of any octets, or with any octet changed, gives a request or a typed error, at once", () => {
    const der = request([derSequence(certId(77n))], extensions(2, nonce(derOctetString(new Uint8Array(32)))));
    const changed = fc
      .array(fc.tuple(fc.nat(der.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
      .map((changes) => changes.reduce((bytes, [at, octet]) => bytes.with(at, octet), Uint8Array.from(der)));
    const cut = fc.nat(der.length).map((end) => der.subarray(0, end));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), changed, cut), (bytes) => {
        const ms = cpuMsOf(() => expect(["read", "request-invalid"]).toContain(code(bytes)));
        expect(ms).toBeLessThan(100);
      }),
      { numRuns: process.env["FLEETCERT_LONG"] === "1" ? 1_000_000 : 20_000 },
    );
  });
});
