import { describe, expect, it } from "vitest";
import { honestStorage, softwareStorageKey, softwareTpmKey } from "../../../test/support/keys/software-tpm.ts";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { testPki } from "../../../test/support/pki/test-pki.ts";
import { tags } from "../asn1/der-reader.ts";
import { derSequence, derSetOf, derText } from "../asn1/der-writer.ts";
import { encodeOid } from "../asn1/object-identifier.ts";
import type { Certificate } from "../certificate/certificate.ts";
import { DistinguishedName } from "../certificate/distinguished-name.ts";
import { requireEndorsementKey, tpmIdentityOf } from "./endorsement-key.ts";
import { objectAttributes } from "./public-area.ts";
import { spkiOfPublicArea } from "./public-area-spki.ts";

describe("an endorsement key", () => {
  it("is known by the hash of its SPKI, with or without a certificate", async () => {
    const { publicArea, area } = softwareStorageKey();
    const spki = spkiOfPublicArea(area);
    const pki = await testPki();
    const { certificate } = await pki.issueLeaf({ signer: { ...testSigner("P-256"), spki } });
    const withCertificate = requireEndorsementKey(publicArea, certificate.der);
    expect(withCertificate.hash).toBe(requireEndorsementKey(publicArea).hash);
    expect(withCertificate.certificate?.spki).toEqual(spki);
  });

  it("is refused with the certificate of another key, or that of a CA", async () => {
    const { publicArea, area } = softwareStorageKey();
    const pki = await testPki();
    const { certificate } = await pki.issueLeaf();
    expect(() => requireEndorsementKey(publicArea, certificate.der)).toThrow("another key");
    const ca = await pki.issueCa({ signer: { ...testSigner("P-256"), spki: spkiOfPublicArea(area) } });
    expect(() => requireEndorsementKey(publicArea, ca.certificate.der)).toThrow("one of a CA");
  });

  it.each(["restricted", "decrypt", "fixedTpm", "fixedParent", "sensitiveDataOrigin"] as const)(
    "is refused without %s",
    (name) => {
      const { publicArea } = softwareStorageKey(honestStorage & ~objectAttributes[name]);
      expect(() => requireEndorsementKey(publicArea)).toThrow(`lacks ${name}`);
    },
  );

  it("is refused when it signs too, or is no storage key", () => {
    const signs = softwareStorageKey(honestStorage | objectAttributes.sign);
    expect(() => requireEndorsementKey(signs.publicArea)).toThrow("has sign");
    const plain = softwareTpmKey({ attributes: honestStorage });
    expect(() => requireEndorsementKey(plain.publicArea)).toThrow("no storage key");
  });
});

describe("the name of a TPM in its EK certificate", () => {
  it.each([
    ["id:49424D00", "IBM"],
    ["id:494E5443", "INTC"],
    ["id:00001014", "id:00001014"],
    ["Nobody", "Nobody"],
  ])("reads the manufacturer %s as %s", (written, manufacturer) => {
    const certificate = namedBy({ "2.23.133.2.1": written, "2.23.133.2.2": "SLB 9670", "2.23.133.2.3": "id:0007003F" });
    expect(tpmIdentityOf(certificate)).toEqual({ manufacturer, model: "SLB 9670", firmware: "id:0007003F" });
  });

  it("has no control characters and a bound, whoever made the certificate", () => {
    const { model } = tpmIdentityOf(namedBy({ "2.23.133.2.2": `\u001b[31m${"x".repeat(500)}` }));
    expect(model).toMatch(/^\?\[31mx+$/);
    expect(model).toHaveLength(64);
  });

  it("is empty where the certificate says nothing", () => {
    expect(tpmIdentityOf(namedBy({}))).toEqual({ manufacturer: "", model: "", firmware: "" });
  });
});

/** All attributes in one set, as TPM makers write them. */
function namedBy(attributes: Readonly<Record<string, string>>): Certificate {
  const pairs = Object.entries(attributes).map(([oid, value]) =>
    derSequence(encodeOid(oid), derText(tags.utf8String, value)),
  );
  const name = DistinguishedName.parse(derSequence(...(pairs.length === 0 ? [] : [derSetOf(pairs)])));
  return { subjectAlternativeNames: { directoryNames: [name] } } as unknown as Certificate;
}
