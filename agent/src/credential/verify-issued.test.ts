import type { Issued, TrustBundle } from "@fleetcert/proto";
import {
  type AlternativeName,
  type CertificateTemplate,
  Serial,
  type Signer,
  signCertificate,
} from "@fleetcert/shared";
import { beforeAll, describe, expect, it } from "vitest";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { aBundle, anIssuer, aRoot, type TestCa, testFleet, testNow } from "../../../test/support/pki/fleet-trust.ts";
import { type IssuedExpectation, verifyIssued } from "./verify-issued.ts";

const day = 86_400_000;
const urn = `urn:fleetcert:${testFleet}:device:pump-1`;

describe("an issued certificate", () => {
  let bundle: TrustBundle;
  let issuing: TestCa;
  const key: Signer = testSigner("P-256");
  beforeAll(async () => {
    const root = await aRoot();
    issuing = await anIssuer(root);
    bundle = aBundle({ roots: [root.certificate.der], issuers: [issuing.certificate.der] });
  });

  const issue = async (changes: Partial<CertificateTemplate> = {}, by: TestCa = issuing): Promise<Issued> => {
    const certificate = await signCertificate(
      {
        serial: Serial.make({ shard: 0, index: 1, random13: new Uint8Array(13).fill(1) }),
        issuer: by.certificate.subject.der,
        subject: { commonName: "pump-1" },
        notBefore: testNow - 3_600_000,
        notAfter: testNow + 90 * day,
        spki: key.spki,
        issuerSpki: by.signer.spki,
        signatureAlgorithmOf: by.signer.algorithm,
        keyUsage: ["digitalSignature"],
        extendedKeyUsage: ["clientAuth"],
        subjectAlternativeNames: [{ uri: urn }],
        ...changes,
      },
      by.signer,
    );
    return { slot: "identity", generation: 2, certificate, chain: [], trustBundles: [] };
  };
  const verify = (issued: Issued, changes: Partial<IssuedExpectation> = {}) =>
    verifyIssued(issued, {
      fleet: testFleet,
      device: "pump-1",
      slot: "identity",
      generation: 2,
      spki: key.spki,
      bundle,
      at: testNow,
      ...changes,
    });
  const mismatch = expect.objectContaining({ code: "issued-mismatch" });

  it("is taken with the chain that was verified, not the one that came along", async () => {
    const issued = await issue();
    const record = verify({ ...issued, chain: [Uint8Array.of(1)] });
    expect(record.certificate).toBe(issued.certificate);
    expect(record.chain).toEqual([issuing.certificate.der, ...bundle.roots]);
    expect(record.notAfter).toBe(testNow + 90 * day);
  });

  it.each<[string, Partial<CertificateTemplate>]>([
    ["certifies another key", { spki: testSigner("P-256").spki }],
    ["names another device", { subject: { commonName: "pump-2" } }],
    ["has another identity", { subjectAlternativeNames: [{ uri: urn.replace("pump-1", "pump-2") }] }],
    [
      "has a second identity",
      { subjectAlternativeNames: [{ uri: urn }, { uri: `${urn}0` }] satisfies AlternativeName[] },
    ],
    ["has none", { subjectAlternativeNames: [{ dns: "pump-1" }] }],
    ["may not authenticate a client", { extendedKeyUsage: ["serverAuth"] }],
    ["is a CA", { basicConstraints: { ca: true }, keyUsage: ["keyCertSign", "digitalSignature"] }],
    ["has expired when it comes", { notAfter: testNow - 1000 }],
    ["is not valid yet", { notBefore: testNow + day }],
  ])("is refused when it %s", async (_, changes) => {
    const issued = await issue(changes);
    expect(() => verify(issued)).toThrow(mismatch);
  });

  it("is refused for another slot or generation than was asked for", async () => {
    const issued = await issue();
    expect(() => verify({ ...issued, generation: 3 })).toThrow(mismatch);
    expect(() => verify({ ...issued, slot: "web" })).toThrow(mismatch);
  });

  it("is refused from a CA that is not in the trust bundle, whatever chain came along", async () => {
    const root = await aRoot("Other");
    const other = await anIssuer(root, "Other issuing");
    const issued = await issue({}, other);
    expect(() => verify({ ...issued, chain: [other.certificate.der, root.certificate.der] })).toThrow(mismatch);
  });

  it("is refused when it is no certificate", async () => {
    expect(() =>
      verify({ slot: "identity", generation: 2, certificate: Uint8Array.of(1), chain: [], trustBundles: [] }),
    ).toThrow(mismatch);
  });
});
