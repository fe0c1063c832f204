import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { testNow, testPki, testSerial } from "../../../test/support/pki/test-pki.ts";
import { contextTag, tags } from "../asn1/der-reader.ts";
import { derTime } from "../asn1/der-time.ts";
import {
  derBitString,
  derBoolean,
  derElement,
  derInteger,
  derNull,
  derOctetString,
  derSequence,
  derSetOf,
  derText,
} from "../asn1/der-writer.ts";
import { encodeOid } from "../asn1/object-identifier.ts";
import { isFleetError } from "../errors.ts";
import { signatureAlgorithmOf } from "../key/signature-algorithm.ts";
import { parseCertificate } from "./certificate.ts";
import { encodeName } from "./distinguished-name.ts";
import { encodeTbsCertificate, signCertificate, subjectKeyIdOf } from "./encode-certificate.ts";

const pki = await testPki();

describe("a certificate", () => {
  it("says after parsing what its template said", async () => {
    const signer = testSigner("P-384");
    const serial = testSerial();
    const { certificate } = await pki.issueLeaf({
      signer,
      serial,
      commonName: "device-9",
      keyUsage: ["digitalSignature", "keyAgreement"],
      extendedKeyUsage: ["clientAuth", "1.2.3.4"],
      subjectAlternativeNames: [
        { uri: "urn:a:b" },
        { dns: "a.example" },
        { ip: "2001:db8::1" },
        { email: "a@b.example" },
      ],
      crlDistributionPoints: ["http://crl.example/1.crl", "http://crl.example/2.crl"],
      authorityInfoAccess: { caIssuers: ["http://ca.example/1.cer"], ocsp: ["http://ocsp.example"] },
    });
    expect(certificate).toMatchObject({
      version: 3,
      notBefore: testNow - 3_600_000,
      notAfter: testNow + 90 * 86_400_000,
      keyAlgorithm: "P-384",
      isCa: false,
      keyUsage: ["digitalSignature", "keyAgreement"],
      extendedKeyUsage: ["clientAuth", "1.2.3.4"],
      subjectAlternativeNames: { uris: ["urn:a:b"], dns: ["a.example"], ips: ["2001:db8::1"], emails: ["a@b.example"] },
      crlDistributionPoints: ["http://crl.example/1.crl", "http://crl.example/2.crl"],
      subjectKeyId: subjectKeyIdOf(signer.spki),
      authorityKeyId: pki.issuing.certificate.subjectKeyId,
      spki: signer.spki,
    });
    expect(certificate.serial.equals(serial)).toBe(true);
    expect(certificate.subject.text).toBe("CN=device-9");
    expect(certificate.issuer.equals(pki.issuing.certificate.subject)).toBe(true);
  });

  it("of a CA carries its path length and name constraints", async () => {
    const directory = encodeName({ commonName: "below" });
    const { certificate } = await pki.issueCa({
      basicConstraints: { ca: true, pathLen: 3 },
      nameConstraints: {
        permitted: [{ dns: "example.com" }, { email: "example.com" }, { uri: ".example.com" }],
        excluded: [{ ipAndMask: Uint8Array.of(10, 0, 0, 0, 255, 0, 0, 0) }, { directory }],
      },
    });
    expect(certificate).toMatchObject({ isCa: true, pathLen: 3 });
    expect(certificate.nameConstraints?.permitted.map(({ kind }) => kind)).toEqual(["dns", "email", "uri"]);
    expect(certificate.nameConstraints?.excluded.map(({ kind }) => kind)).toEqual(["ip", "directory"]);
  });

  it("keeps a weak key until somebody asks for its algorithm", () => {
    const weak = derSequence(derSequence(encodeOid("1.2.3")), derBitString(new Uint8Array(4)));
    const certificate = parseCertificate(certificateWith({ spki: weak }));
    expect(() => certificate.keyAlgorithm).toThrow(expect.objectContaining({ code: "key-weak" }));
  });

  it.each<[string, Parts]>([
    ["a version that does not exist", { version: derElement(contextTag(0, "constructed"), derInteger(3)) }],
    ["extensions in version 1", { version: new Uint8Array(0) }],
    ["a serial number of 21 octets", { serial: derElement(tags.integer, new Uint8Array(21).fill(1)) }],
    ["a negative serial number", { serial: derElement(tags.integer, Uint8Array.of(0x80)) }],
    ["an algorithm that differs from the one it is signed with", { algorithm: signatureAlgorithmOf("P-384") }],
    ["an empty issuer", { issuer: derSequence() }],
    ["a date that does not exist", { validity: derSequence(derText(tags.utcTime, "260230000000Z"), derTime(testNow)) }],
    ["a third date", { validity: derSequence(derTime(testNow), derTime(testNow), derTime(testNow)) }],
    ["an empty list of extensions", { extensions: [] }],
    ["the same extension twice", { extensions: [extension("1.2.3", derNull()), extension("1.2.3", derNull())] }],
    [
      "a criticality of false, written out",
      { extensions: [derSequence(encodeOid("1.2.3"), derBoolean(false), derOctetString())] },
    ],
    ["a path length without cA", { extensions: [extension("2.5.29.19", derSequence(derInteger(0)))] }],
    ["key usage without a bit", { extensions: [extension("2.5.29.15", derElement(tags.bitString, Uint8Array.of(0)))] }],
    ["an empty extended key usage", { extensions: [extension("2.5.29.37", derSequence())] }],
    ["an empty list of names", { extensions: [extension("2.5.29.17", derSequence())] }],
    [
      "an address of three octets",
      { extensions: [extension("2.5.29.17", derSequence(derElement(contextTag(7, "primitive"), new Uint8Array(3))))] },
    ],
    [
      "NUL in a host name",
      { extensions: [extension("2.5.29.17", derSequence(derText(contextTag(2, "primitive"), "a\0b")))] },
    ],
    ["name constraints that say nothing", { extensions: [extension("2.5.29.30", derSequence())] }],
    ["bytes behind an extension's value", { extensions: [extension("2.5.29.19", derSequence(), derNull())] }],
    ["bytes behind the fields", { tail: derNull() }],
  ])("is refused with %s", (_, parts) => {
    expect(() => parseCertificate(certificateWith(parts))).toThrow(
      expect.objectContaining({ code: "certificate-invalid" }),
    );
  });

  it("is refused above 64 KiB and with 10,000 names", () => {
    const names = Array.from({ length: 10_000 }, (_, index) => derText(contextTag(2, "primitive"), `h${index}`));
    const many = certificateWith({ extensions: [extension("2.5.29.17", derSequence(...names))] });
    expect(() => parseCertificate(many)).toThrow("limit 65536");
    const fewer = certificateWith({ extensions: [extension("2.5.29.17", derSequence(...names.slice(0, 1100)))] });
    expect(() => parseCertificate(fewer)).toThrow("more than 1024 names");
  });

  it("gives a typed error or a certificate for any change of its bytes", () => {
    const { der } = pki.issuing.certificate;
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.nat(255), fc.nat(der.length), (at, octet, length) => {
        const changed = Uint8Array.from(der);
        changed[at] = octet;
        for (const bytes of [changed, der.subarray(0, length), changed.subarray(at)])
          expectTypedError(() => parseCertificate(bytes));
      }),
      { numRuns: 300 },
    );
  });

  it("gives a typed error for random bytes", () => {
    for (let count = 0; count < 200; count++) expectTypedError(() => parseCertificate(derSequence(randomBytes(count))));
  });
});

describe("a certificate template", () => {
  it("cannot end before it begins, nor hold names that cannot be written", async () => {
    await expect(pki.issueLeaf({ notAfter: 0 })).rejects.toMatchObject({ code: "certificate-invalid" });
    await expect(pki.issueLeaf({ commonName: "x".repeat(65) })).rejects.toMatchObject({ code: "der-invalid" });
    await expect(pki.issueLeaf({ subjectAlternativeNames: [{ ip: "10.0.0" }] })).rejects.toMatchObject({
      code: "der-invalid",
    });
    await expect(pki.issueLeaf({ subjectAlternativeNames: [{ dns: "a\nb" }] })).rejects.toMatchObject({
      code: "der-invalid",
    });
  });

  it("is not signed by a key of another algorithm than it says", async () => {
    const signer = testSigner("Ed25519");
    await expect(signCertificate(template("P-256"), signer)).rejects.toMatchObject({ code: "internal" });
  });

  it("gives the same bytes every time", () => {
    expect(encodeTbsCertificate(template("P-256"))).toEqual(encodeTbsCertificate(template("P-256")));
  });
});

function expectTypedError(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    expect(isFleetError(error, "certificate-invalid")).toBe(true);
  }
}

const { spki: fixedSpki } = testSigner("P-256");
const fixedSerial = testSerial();

const template = (signatureAlgorithmOf: "P-256") => ({
  serial: fixedSerial,
  issuer: encodeName({ commonName: "x" }),
  subject: { commonName: "y" },
  notBefore: testNow,
  notAfter: testNow + 1000,
  spki: fixedSpki,
  issuerSpki: fixedSpki,
  signatureAlgorithmOf,
  keyUsage: ["digitalSignature" as const],
});

/** Parts of a certificate that differ from a good one. */
interface Parts {
  readonly version?: Uint8Array;
  readonly serial?: Uint8Array;
  readonly algorithm?: Uint8Array;
  readonly issuer?: Uint8Array;
  readonly validity?: Uint8Array;
  readonly spki?: Uint8Array;
  readonly extensions?: readonly Uint8Array[];
  readonly tail?: Uint8Array;
}

function certificateWith(parts: Parts): Uint8Array {
  const algorithm = signatureAlgorithmOf("P-256");
  const extensions = parts.extensions ?? [extension("2.5.29.19", derSequence())];
  const tbs = derSequence(
    parts.version ?? derElement(contextTag(0, "constructed"), derInteger(2)),
    parts.serial ?? derInteger(7),
    parts.algorithm ?? algorithm,
    parts.issuer ?? encodeName({ commonName: "x" }),
    parts.validity ?? derSequence(derTime(testNow), derTime(testNow + 1000)),
    derSequence(derSetOf([derSequence(encodeOid("2.5.4.3"), derText(tags.utf8String, "y"))])),
    parts.spki ?? fixedSpki,
    derElement(contextTag(3, "constructed"), derSequence(...extensions)),
    parts.tail ?? new Uint8Array(0),
  );
  return derSequence(tbs, algorithm, derBitString(new Uint8Array(8)));
}

function extension(oid: string, ...value: Uint8Array[]): Uint8Array {
  return derSequence(encodeOid(oid), derOctetString(...value));
}
