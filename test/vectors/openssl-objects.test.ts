import "reflect-metadata";
import {
  type AlternativeName,
  type CrlEntryTemplate,
  encodeCsr,
  type KeyAlgorithm,
  parseCertificate,
  parseCrl,
  parseCsr,
  type ReasonCode,
  Serial,
} from "@fleetcert/shared";
import {
  AuthorityKeyIdentifierExtension,
  CRLDistributionPointsExtension,
  ExtendedKeyUsageExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509Crl,
} from "@peculiar/x509";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { testSigner } from "../support/keys/test-signer.ts";
import { testPki, testSerial } from "../support/pki/test-pki.ts";
import { opensslText } from "../support/programs/openssl.ts";

const runs = process.env["FLEETCERT_LONG"] === "1" ? 500 : 40;

describe("certificates we make", () => {
  it("read the same in OpenSSL, in @peculiar/x509 and in our parser", async () => {
    const pki = await testPki();
    const signer = testSigner("P-256");
    await fc.assert(
      fc.asyncProperty(wishes, async (wish) => {
        const { certificate } = await pki.issueLeaf({ ...wish, signer });
        expect(describeOurs(certificate.der)).toEqual(describePeculiar(certificate.der));

        const text = opensslText("x509", certificate.der, ["-nameopt", "RFC2253,-esc_msb,utf8"]);
        expect(text).toContain(`Subject: ${certificate.subject.text}\n`);
        expect(text).toContain("Issuer: CN=test issuing\n");
        expect(text.replace(/[\s:]/g, "").toUpperCase()).toContain(serialText(wish.serial));
        expect(text).toContain(`Not Before: ${opensslDate(wish.notBefore)}\n`);
        expect(text).toContain(`Not After : ${opensslDate(wish.notAfter)}\n`);
        for (const name of wish.subjectAlternativeNames) expect(text).toContain(opensslName(name));
        for (const uri of wish.crlDistributionPoints) expect(text).toContain(`URI:${uri}\n`);
      }),
      { numRuns: runs },
    );
  });

  it.each<KeyAlgorithm>(["P-256", "P-384", "RSA-2048", "RSA-3072", "Ed25519"])(
    "verify in @peculiar/x509 when signed with %s",
    async (algorithm) => {
      const pki = await testPki();
      const ca = await pki.issueCa({ algorithm, commonName: `ca ${algorithm}` });
      const { certificate } = await pki.issueLeaf({ issuedBy: ca, algorithm });
      const peculiar = new X509Certificate(certificate.der);
      expect(await peculiar.verify({ publicKey: new X509Certificate(ca.certificate.der), signatureOnly: true })).toBe(
        true,
      );
    },
  );
});

describe("certificate requests we make", () => {
  it.each<KeyAlgorithm>(["P-256", "P-384", "RSA-2048", "Ed25519"])(
    "verify in OpenSSL and @peculiar/x509 with %s",
    async (algorithm) => {
      const der = await encodeCsr({ signer: testSigner(algorithm), commonName: "device-7" });
      expect(opensslText("req", der, ["-verify"])).toContain("Subject: CN = device-7");
      const peculiar = new Pkcs10CertificateRequest(der);
      expect(await peculiar.verify()).toBe(true);
      expect(peculiar.subject).toBe(parseCsr(der).subject.text);
    },
  );
});

describe("revocation lists we make", () => {
  it("read the same in OpenSSL, in @peculiar/x509 and in our parser", async () => {
    const pki = await testPki();
    await fc.assert(
      fc.asyncProperty(entryLists, fc.bigInt(0n, 2n ** 152n), async (entries, crlNumber) => {
        const issuingDistributionPoint = { uris: ["http://crl.example/1.crl"], onlyContainsUserCerts: true };
        const der = await pki.issueCrl({ entries, crlNumber, issuingDistributionPoint });
        const crl = parseCrl(der);
        const ours = [...crl.entries()].map(({ serial, revokedAt, reason, invalidityDate }) => [
          serial.hex,
          revokedAt,
          reason,
          invalidityDate,
        ]);
        expect(ours).toEqual(
          entries.map(({ serial, revokedAt, reason, invalidityDate }) => [
            serial.hex,
            revokedAt,
            reason,
            invalidityDate,
          ]),
        );
        expect(crl.crlNumber).toBe(crlNumber);
        for (const { serial, revokedAt } of entries) expect(crl.find(serial)?.revokedAt).toBe(revokedAt);

        const peculiar = new X509Crl(der).entries;
        expect(
          peculiar.map(({ serialNumber, revocationDate }) => [
            Serial.parse(serialNumber).hex,
            revocationDate.getTime(),
          ]),
        ).toEqual(ours.map(([serial, revokedAt]) => [serial, revokedAt]));
        const text = opensslText("crl", der);
        const blocks = text.split("Serial Number: ").slice(1);
        expect(blocks.map((block) => block.slice(0, block.indexOf("\n")))).toEqual(
          entries.map(({ serial }) => serialText(serial)),
        );
        expect(blocks.map((block) => /Revocation Date: (.*)/.exec(block)?.[1])).toEqual(
          entries.map(({ revokedAt }) => opensslDate(revokedAt)),
        );
        for (const [index, block] of blocks.entries()) expect(reasonText(block)).toBe(entries[index]?.reason);
      }),
      { numRuns: runs },
    );
  });
});

interface Description {
  readonly serial: string;
  readonly dates: readonly number[];
  readonly subjectKeyId: string;
  readonly authorityKeyId: string;
  readonly usages: readonly string[];
  readonly names: readonly string[];
  readonly points: readonly string[];
}

function describeOurs(der: Uint8Array): Description {
  const certificate = parseCertificate(der);
  const { subjectAlternativeNames: names } = certificate;
  return {
    serial: certificate.serial.hex,
    dates: [certificate.notBefore, certificate.notAfter],
    subjectKeyId: hex(certificate.subjectKeyId),
    authorityKeyId: hex(certificate.authorityKeyId),
    usages: certificate.extendedKeyUsage ?? [],
    names: [
      ...names.uris.map((uri) => `url ${uri}`),
      ...names.dns.map((dns) => `dns ${dns}`),
      ...names.ips.map((ip) => `ip ${ip}`),
      ...names.emails.map((email) => `email ${email}`),
    ].toSorted(),
    points: certificate.crlDistributionPoints,
  };
}

function describePeculiar(der: Uint8Array): Description {
  const certificate = new X509Certificate(der);
  const names = certificate.getExtension(SubjectAlternativeNameExtension)?.names.items ?? [];
  const points = certificate.getExtension(CRLDistributionPointsExtension)?.distributionPoints ?? [];
  return {
    serial: Serial.parse(certificate.serialNumber).hex,
    dates: [certificate.notBefore.getTime(), certificate.notAfter.getTime()],
    subjectKeyId: certificate.getExtension(SubjectKeyIdentifierExtension)?.keyId ?? "",
    authorityKeyId: certificate.getExtension(AuthorityKeyIdentifierExtension)?.keyId ?? "",
    usages: (certificate.getExtension(ExtendedKeyUsageExtension)?.usages ?? []).map((usage) =>
      usage === "1.3.6.1.5.5.7.3.1" ? "serverAuth" : "clientAuth",
    ),
    names: names.map(({ type, value }) => `${type} ${value}`).toSorted(),
    points: points.map((point) => point.distributionPoint?.fullName?.[0]?.uniformResourceIdentifier ?? ""),
  };
}

const hex = (bytes: Uint8Array = new Uint8Array(0)): string => Buffer.from(bytes).toString("hex");

/** As OpenSSL prints it: two digits an octet. */
const serialText = (serial: Serial): string => serial.hex.toUpperCase();

/** `Jun  1 12:00:00 2026 GMT`. */
function opensslDate(instant: number): string {
  const [, day, month, year, time] = new Date(instant).toUTCString().split(" ") as [
    string,
    string,
    string,
    string,
    string,
  ];
  return `${month} ${day.replace(/^0/, " ")} ${time} ${year} GMT`;
}

function opensslName(name: AlternativeName): string {
  if ("uri" in name) return `URI:${name.uri}`;
  if ("dns" in name) return `DNS:${name.dns}`;
  return "email" in name ? `email:${name.email}` : `IP Address:${name.ip.includes(":") ? "" : name.ip}`;
}

/** The reason OpenSSL prints for an entry, in the words of RFC 5280. */
function reasonText(block: string): ReasonCode {
  const printed = /Reason Code: \n\s+(.*)/.exec(block)?.[1] ?? "Unspecified";
  return reasonWords[printed] as ReasonCode;
}

const reasonWords: Readonly<Record<string, ReasonCode>> = {
  Unspecified: "unspecified",
  "Key Compromise": "keyCompromise",
  "CA Compromise": "cACompromise",
  "Affiliation Changed": "affiliationChanged",
  Superseded: "superseded",
  "Cessation Of Operation": "cessationOfOperation",
  "Certificate Hold": "certificateHold",
  "Remove From CRL": "removeFromCRL",
  "Privilege Withdrawn": "privilegeWithdrawn",
};

/** Whole seconds from 1960 to 2200: both forms of time. */
const instants = fc
  .integer({ min: Date.UTC(1960, 0, 1) / 1000, max: Date.UTC(2200, 0, 1) / 1000 })
  .map((second) => second * 1000);

const wishes = fc
  .record({
    // From two characters: OpenSSL does not escape a lone "#", against RFC 4514 §2.4.
    commonName: fc.string({ unit: fc.constantFrom(...'abc XYZ019-_.,+"\\<>;=#ä€'), minLength: 2, maxLength: 40 }),
    serial: fc
      .uint8Array({ minLength: 13, maxLength: 13 })
      .map((random13) => Serial.make({ shard: 3, index: 9, random13 })),
    from: instants,
    seconds: fc.integer({ min: 1, max: 1e9 }),
    extendedKeyUsage: fc.constantFrom(["clientAuth"], ["serverAuth"], ["clientAuth", "serverAuth"]),
    subjectAlternativeNames: fc.array(
      fc.oneof(
        fc.constantFrom("urn:fleetcert:a:device:b", "https://x.example/1").map((uri): AlternativeName => ({ uri })),
        fc.constantFrom("a.example", "*.b.example").map((dns): AlternativeName => ({ dns })),
        fc.constantFrom("10.0.0.1", "255.255.255.255").map((ip): AlternativeName => ({ ip })),
        fc.constantFrom("a@b.example").map((email): AlternativeName => ({ email })),
      ),
      { minLength: 1, maxLength: 5 },
    ),
    crlDistributionPoints: fc.array(fc.constantFrom("http://crl.example/1", "http://crl.example/2"), { maxLength: 2 }),
  })
  .map(({ from, seconds, ...rest }) => ({ ...rest, notBefore: from, notAfter: from + seconds * 1000 }));

const reasons = fc.constantFrom<ReasonCode>(
  ...([
    "unspecified",
    "keyCompromise",
    "superseded",
    "cessationOfOperation",
    "certificateHold",
    "privilegeWithdrawn",
  ] as const),
);

const entryLists: fc.Arbitrary<(CrlEntryTemplate & { reason: ReasonCode })[]> = fc.array(
  fc
    .record({ revokedAt: instants, reason: reasons, invalidityDate: fc.option(instants, { nil: undefined }) })
    .map(({ invalidityDate, ...rest }) => ({
      ...rest,
      serial: testSerial(),
      ...(invalidityDate === undefined ? {} : { invalidityDate }),
    })),
  { maxLength: 12 },
);
