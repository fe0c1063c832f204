import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { testNow, testPki, testSerial } from "../../../test/support/pki/test-pki.ts";
import { contextTag, tags } from "../asn1/der-reader.ts";
import { derGeneralizedTime, derTime } from "../asn1/der-time.ts";
import {
  derBitString,
  derBoolean,
  derElement,
  derInteger,
  derNull,
  derOctetString,
  derSequence,
} from "../asn1/der-writer.ts";
import { encodeOid } from "../asn1/object-identifier.ts";
import { encodeName } from "../certificate/distinguished-name.ts";
import { Serial } from "../certificate/serial.ts";
import { isFleetError } from "../errors.ts";
import { signatureAlgorithmOf } from "../key/signature-algorithm.ts";
import { parseCrl } from "./crl.ts";
import type { CrlEntryTemplate } from "./encode-crl.ts";
import { lintCrl } from "./lint-crl.ts";
import { type ReasonCode, reasonCodeNumbers } from "./reason-code.ts";
import { verifyCrl } from "./verify-crl.ts";

const pki = await testPki();
const day = 86_400_000;

describe("a revocation list", () => {
  it("names every entry it was made from, and finds each", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entryTemplates, { maxLength: 60 }), async (entries) => {
        const crl = parseCrl(await pki.issueCrl({ entries, crlNumber: 7 }));
        expect(crl.entryCount).toBe(entries.length);
        expect([...crl.entries()]).toEqual(entries.map((entry) => ({ reason: "unspecified", ...entry })));
        for (const entry of entries) expect(crl.find(entry.serial)).toMatchObject({ revokedAt: entry.revokedAt });
        expect(crl.find(testSerial())).toBeUndefined();
      }),
      { numRuns: 30 },
    );
  });

  it("says after parsing what its template said", async () => {
    const der = await pki.issueCrl({
      crlNumber: 2n ** 100n,
      deltaBase: 41,
      issuingDistributionPoint: { uris: ["http://a.example/1.crl"], onlyContainsUserCerts: true },
    });
    expect(parseCrl(der)).toMatchObject({
      version: 2,
      thisUpdate: testNow - 3_600_000,
      nextUpdate: testNow + 30 * day,
      crlNumber: 2n ** 100n,
      deltaBase: 41n,
      authorityKeyId: pki.issuing.certificate.subjectKeyId,
      entryCount: 0,
      issuingDistributionPoint: { onlyContainsUserCerts: true, onlyContainsCaCerts: false, indirectCrl: false },
    });
    expect(lintCrl(der)).toEqual([]);
  });

  it("finds each of 20,000 serials of our own layout and none it does not name", async () => {
    const serial = (index: number) => Serial.make({ shard: 1, index, random13: new Uint8Array(13).fill(index) });
    const entries = Array.from({ length: 20_000 }, (_, index) => ({ serial: serial(index * 2), revokedAt: testNow }));
    const crl = parseCrl(await pki.issueCrl({ entries }));
    for (let index = 0; index < 40_000; index += 97)
      expect(crl.find(serial(index)) !== undefined).toBe(index % 2 === 0);
  });

  it("answers with the first entry of a serial that it names 100,000 times, without taking long", async () => {
    const serial = testSerial();
    const entries = Array.from({ length: 100_000 }, (_, index) => ({ serial, revokedAt: testNow + index * 1000 }));
    const der = await pki.issueCrl({ entries });
    const start = performance.now();
    expect(parseCrl(der).find(serial)?.revokedAt).toBe(testNow);
    expect(performance.now() - start).toBeLessThan(1000);
    expect(lintCrl(der)).toEqual(["serial-twice"]);
    expect(lintCrl(der, "rfc5280", 1)).toEqual([]);
  });

  it("reads entries that others wrote in an unusual but valid way", () => {
    const longExtension = extension("1.2.3.4", derOctetString(new Uint8Array(300)));
    const entries = [
      entry(derInteger(5), derElement(tags.generalizedTime, new TextEncoder().encode("20260101000000Z"))),
      entry(derInteger(6), derTime(testNow), derSequence(longExtension)),
    ];
    const crl = parseCrl(listWith({ entries }));
    expect(crl.find(Serial.parse("05"))).toMatchObject({ revokedAt: Date.UTC(2026, 0, 1), reason: "unspecified" });
    expect(crl.find(Serial.parse("06"))).toMatchObject({ revokedAt: testNow });
  });

  it.each<[string, Parts]>([
    [
      "an entry with a critical extension it does not know",
      { entries: [entry(derInteger(5), derTime(testNow), derSequence(extension("1.2.3", derNull(), true)))] },
    ],
    [
      "an entry of an indirect list",
      { entries: [entry(derInteger(5), derTime(testNow), derSequence(extension("2.5.29.29", derSequence(), true)))] },
    ],
    ["an entry without a date", { entries: [derSequence(derInteger(5))] }],
    [
      "an entry with a date that does not exist",
      { entries: [entry(derInteger(5), derElement(tags.utcTime, new TextEncoder().encode("260230000000Z")))] },
    ],
    [
      "an entry with a negative serial number",
      { entries: [entry(derElement(tags.integer, Uint8Array.of(0x80)), derTime(testNow))] },
    ],
    [
      "an entry with a reason that does not exist",
      {
        entries: [
          entry(
            derInteger(5),
            derTime(testNow),
            derSequence(extension("2.5.29.21", derElement(tags.enumerated, Uint8Array.of(7)))),
          ),
        ],
      },
    ],
    ["an entry that is no sequence", { entries: [derInteger(5)] }],
    ["an entry that is cut off", { entries: [Uint8Array.of(0x30, 20, 2, 1, 5)] }],
    [
      "an entry with a length that is not minimal",
      { entries: [Uint8Array.of(0x30, 0x81, 18, ...derInteger(5), ...derTime(testNow))] },
    ],
    ["a critical extension it does not know", { extensions: [extension("1.2.3", derNull(), true)] }],
    ["extensions in version 1", { version: new Uint8Array(0), extensions: [extension("1.2.3", derNull())] }],
    ["an algorithm that differs from the one it is signed with", { algorithm: signatureAlgorithmOf("P-384") }],
    ["an empty issuer", { issuer: derSequence() }],
  ])("is refused with %s", (_, parts) => {
    expect(() => parseCrl(listWith(parts))).toThrow(expect.objectContaining({ code: "crl-invalid" }));
  });

  it("gives a typed error or a list for random bytes and any change of its own", async () => {
    const entries = [
      { serial: testSerial(), revokedAt: testNow, reason: "superseded" as const, invalidityDate: testNow },
    ];
    const der = await pki.issueCrl({ entries, issuingDistributionPoint: { uris: ["http://a.example/1.crl"] } });
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.nat(255), fc.nat(200), (at, octet, length) => {
        const changed = Uint8Array.from(der);
        changed[at] = octet;
        for (const bytes of [changed, der.subarray(0, at), derSequence(randomBytes(length))]) {
          expectTypedError(() => {
            const crl = parseCrl(bytes);
            crl.find(testSerial());
            return [...crl.entries()];
          });
          expect(lintCrl(bytes)).toBeInstanceOf(Array);
        }
      }),
      { numRuns: 300 },
    );
  });

  const [numberOid, deltaOid, freshestOid, dateOid] = ["2.5.29.20", "2.5.29.27", "2.5.29.46", "2.5.29.24"] as const;
  const dated = (value: Uint8Array, critical = false) => [
    entry(derInteger(5), derTime(testNow), derSequence(extension(dateOid, value, critical))),
  ];
  const numbered = (number: number, base: number) => [
    extension(numberOid, derInteger(number)),
    extension(deltaOid, derInteger(base), true),
  ];
  it.each<[string, Parts]>([
    ["delta-not-newer-than-base", { extensions: numbered(7, 7) }],
    ["freshest-crl-critical", { extensions: [extension(freshestOid, derSequence(), true)] }],
    ["freshest-crl-in-delta", { extensions: [...numbered(8, 7), extension(freshestOid, derSequence())] }],
    ["invalidity-date-critical", { entries: dated(derGeneralizedTime(testNow), true) }],
    ["invalidity-date-malformed", { entries: dated(derTime(testNow)) }],
  ])("is found to have the defect %s, and only then", (defect, parts) => {
    const others = ["authority-key-id-missing", "number-missing"];
    expect(lintCrl(listWith(parts)).filter((name) => !others.includes(name))).toEqual([defect]);
    const good = { entries: dated(derGeneralizedTime(testNow)), extensions: numbered(8, 7) };
    expect(lintCrl(listWith(good))).toEqual(["authority-key-id-missing"]);
  });

  it("is not made when it would end before it begins or say nothing about its scope", async () => {
    await expect(pki.issueCrl({ nextUpdate: 0 })).rejects.toMatchObject({ code: "crl-invalid" });
    await expect(pki.issueCrl({ issuingDistributionPoint: {} })).rejects.toMatchObject({ code: "crl-invalid" });
    const both = { onlyContainsUserCerts: true, onlyContainsCaCerts: true };
    await expect(pki.issueCrl({ issuingDistributionPoint: both })).rejects.toMatchObject({ code: "crl-invalid" });
  });
});

describe("verifying a list", () => {
  const issuer = pki.issuing.certificate;

  it("takes the issuer's own", async () => {
    const crl = parseCrl(await pki.issueCrl());
    verifyCrl({ crl, issuer, at: testNow });
    verifyCrl({ crl, issuer });
    expect(crl.issuer.equals(issuer.subject)).toBe(true);
  });

  it.each([
    ["another issuer's", async () => pki.issueCrl({ issuedBy: pki.root }), "revocation-invalid"],
    [
      "one that names another key",
      async () => pki.issueCrl({ authorityKeyId: new Uint8Array(20) }),
      "revocation-invalid",
    ],
    [
      "one that is signed by another key",
      async () => pki.issueCrl({ issuedBy: { ...pki.issuing, signer: testSigner("P-256") } }),
      "signature-invalid",
    ],
    ["one that is past its nextUpdate", async () => pki.issueCrl({ nextUpdate: testNow - 1 }), "revocation-invalid"],
    ["one from the future", async () => pki.issueCrl({ thisUpdate: testNow + 1000 }), "revocation-invalid"],
  ])("refuses %s", async (_, make, code) => {
    const crl = parseCrl(await make());
    expect(() => verifyCrl({ crl, issuer, at: testNow })).toThrow(expect.objectContaining({ code }));
  });

  it("refuses a list of a CA that may not sign lists", async () => {
    const ca = await pki.issueCa({ keyUsage: ["keyCertSign"] });
    const crl = parseCrl(await pki.issueCrl({ issuedBy: ca }));
    expect(() => verifyCrl({ crl, issuer: ca.certificate })).toThrow("cRLSign");
  });

  it("refuses a list without a number, with which a rollback could not be seen", () => {
    const crl = parseCrl(listWith({ issuer: issuer.subject.der }));
    expect(() => verifyCrl({ crl, issuer })).toThrow("lacks its version");
  });
});

const seconds = fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) / 1000 }).map((second) => second * 1000);

const entryTemplates: fc.Arbitrary<CrlEntryTemplate> = fc
  .record({
    bytes: fc.uint8Array({ minLength: 1, maxLength: 19 }),
    revokedAt: seconds,
    reason: fc.option(fc.constantFrom(...(Object.keys(reasonCodeNumbers) as ReasonCode[])), { nil: undefined }),
    invalidityDate: fc.option(seconds, { nil: undefined }),
  })
  .map(({ bytes, revokedAt, reason, invalidityDate }) => ({
    // A unique first octet run keeps the serials of one list apart.
    serial: Serial.parse(`01${Buffer.from(bytes).toString("hex")}${randomBytes(8).toString("hex")}`.slice(0, 40)),
    revokedAt,
    ...(reason === undefined ? {} : { reason }),
    ...(invalidityDate === undefined ? {} : { invalidityDate }),
  }));

function expectTypedError(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    expect(isFleetError(error, "crl-invalid")).toBe(true);
  }
}

interface Parts {
  readonly version?: Uint8Array;
  readonly algorithm?: Uint8Array;
  readonly issuer?: Uint8Array;
  readonly entries?: readonly Uint8Array[];
  readonly extensions?: readonly Uint8Array[];
}

/** A list that is well made but for the parts given; its signature is nobody's. */
function listWith({ version, algorithm, issuer, entries, extensions }: Parts): Uint8Array {
  const usual = signatureAlgorithmOf("P-256");
  const tbs = derSequence(
    version ?? derInteger(1),
    algorithm ?? usual,
    issuer ?? encodeName({ commonName: "x" }),
    derTime(testNow),
    derTime(testNow + day),
    ...(entries === undefined ? [] : [derSequence(...entries)]),
    ...(extensions === undefined ? [] : [derElement(contextTag(0, "constructed"), derSequence(...extensions))]),
  );
  return derSequence(tbs, usual, derBitString(new Uint8Array(8)));
}

const entry = (...parts: Uint8Array[]): Uint8Array => derSequence(...parts);

const extension = (oid: string, value: Uint8Array, critical = false): Uint8Array =>
  derSequence(encodeOid(oid), ...(critical ? [derBoolean(true)] : []), derOctetString(value));
