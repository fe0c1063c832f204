import { describe, expect, it } from "vitest";
import { softwareStorageKey } from "../../../test/support/keys/software-tpm.ts";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { type LeafWishes, type TestPki, testNow, testPki } from "../../../test/support/pki/test-pki.ts";
import { admitEndorsementKey, type EndorsementPolicy } from "./admit-endorsement-key.ts";
import { type EndorsementKey, requireEndorsementKey } from "./endorsement-key.ts";
import { spkiOfPublicArea } from "./public-area-spki.ts";

const maker = await testPki();
const trusting = (pki: TestPki): EndorsementPolicy => ({
  roots: [pki.root.certificate.der],
  intermediates: [pki.issuing.certificate.der],
  allowed: new Set(),
});

describe("letting a TPM in", () => {
  it("takes one whose certificate chains to a manufacturer, with or without a purpose in it", async () => {
    for (const wishes of [{ extendedKeyUsage: ["2.23.133.8.1"] }, {}]) {
      const key = await certified(wishes);
      expect(admitEndorsementKey(key, trusting(maker), testNow)).toBe("manufacturer");
    }
  });

  it("takes one on the allow-list, certificate or not", () => {
    const key = requireEndorsementKey(softwareStorageKey().publicArea);
    const policy = { roots: [], intermediates: [], allowed: new Set([key.hash]) };
    expect(admitEndorsementKey(key, policy, testNow)).toBe("allow-list");
  });

  it("refuses one without a certificate that is on no allow-list", () => {
    const key = requireEndorsementKey(softwareStorageKey().publicArea);
    const policy = { ...trusting(maker), allowed: new Set(["ab".repeat(32)]) };
    expect(() => admitEndorsementKey(key, policy, testNow)).toThrow(
      expect.objectContaining({ code: "attestation-invalid", attestationFailure: "not-allowed" }),
    );
  });

  it("refuses the chain of another manufacturer, and any when none is configured", async () => {
    const key = await certified({});
    for (const policy of [trusting(await testPki()), { roots: [], intermediates: [], allowed: new Set<string>() }])
      expect(() => admitEndorsementKey(key, policy, testNow)).toThrow(
        expect.objectContaining({ code: "path-invalid", pathFailure: "untrusted" }),
      );
  });

  it("refuses a certificate that has expired", async () => {
    const key = await certified({ notAfter: testNow - 1000, notBefore: testNow - 86_400_000 });
    expect(() => admitEndorsementKey(key, trusting(maker), testNow)).toThrow(
      expect.objectContaining({ code: "path-invalid", pathFailure: "expired" }),
    );
  });

  it("refuses a certificate that its CA made for something else", async () => {
    const key = await certified({ extendedKeyUsage: ["serverAuth"] });
    expect(() => admitEndorsementKey(key, trusting(maker), testNow)).toThrow(
      expect.objectContaining({ attestationFailure: "endorsement-key" }),
    );
  });
});

async function certified(wishes: LeafWishes): Promise<EndorsementKey> {
  const { publicArea, area } = softwareStorageKey();
  const signer = { ...testSigner("P-256"), spki: spkiOfPublicArea(area) };
  const { extendedKeyUsage = [] } = wishes;
  const { certificate } = await maker.issueLeaf({ keyUsage: ["keyAgreement"], ...wishes, extendedKeyUsage, signer });
  return requireEndorsementKey(publicArea, certificate.der);
}
