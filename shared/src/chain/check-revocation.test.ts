import { describe, expect, it } from "vitest";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { type TestCa, testNow, testPki } from "../../../test/support/pki/test-pki.ts";
import type { CrlTemplate } from "../crl/encode-crl.ts";
import type { ReasonCode } from "../crl/reason-code.ts";
import { pathFailureOf } from "./path-failure.ts";
import { type PathQuestion, type RevocationQuestion, validatePath } from "./validate-path.ts";

const pki = await testPki();
const point = "http://crl.example/1.crl";
const leaf = (await pki.issueLeaf({ crlDistributionPoints: [point] })).certificate;
const good: PathQuestion = {
  leaf: leaf.der,
  intermediates: [pki.issuing.certificate.der],
  roots: [pki.root.certificate.der],
  at: testNow,
  purpose: "clientAuth",
};

type List = Partial<CrlTemplate> & { readonly issuedBy?: TestCa };

async function verdict(
  lists: readonly List[],
  rest: Partial<RevocationQuestion> = {},
  question: Partial<PathQuestion> = {},
): Promise<string> {
  const crls = {
    lists: await Promise.all(lists.map((list) => pki.issueCrl(list))),
    requireFor: "leaf" as const,
    ...rest,
  };
  try {
    validatePath({ ...good, ...question, crls });
    return "good";
  } catch (error) {
    return pathFailureOf(error) ?? String(error);
  }
}

const revoked = (reason: ReasonCode = "keyCompromise") => [{ serial: leaf.serial, revokedAt: testNow - 1000, reason }];

describe("the revocation state of a path", () => {
  it("is good with a current list of the issuer that does not name the leaf, and revoked with one that does", async () => {
    expect(await verdict([{}])).toBe("good");
    expect(await verdict([{ entries: revoked() }])).toBe("revoked");
  });

  it("is heeded even where none is required", async () => {
    expect(await verdict([{ entries: revoked() }], { requireFor: "none" })).toBe("revoked");
    expect(await verdict([], { requireFor: "none" })).toBe("good");
  });

  it("is unknown without a list, and for the chain without the root's list", async () => {
    expect(await verdict([])).toBe("revocation-unknown");
    expect(await verdict([{}], { requireFor: "chain" })).toBe("revocation-unknown");
    expect(await verdict([{}, { issuedBy: pki.root }], { requireFor: "chain" })).toBe("good");
  });

  it("is revoked when a CA of the path is", async () => {
    const entries = [{ serial: pki.issuing.certificate.serial, revokedAt: testNow - 1000 }];
    expect(await verdict([{}, { issuedBy: pki.root, entries }])).toBe("revoked");
  });

  it.each<[string, List]>([
    ["is past its nextUpdate", { nextUpdate: testNow - 1 }],
    ["is from the future", { thisUpdate: testNow + 1000 }],
    ["is signed by another key", { issuedBy: { ...pki.issuing, signer: testSigner("P-256") } }],
    ["is for CA certificates only", { issuingDistributionPoint: { onlyContainsCaCerts: true } }],
    ["is for another distribution point", { issuingDistributionPoint: { uris: ["http://crl.example/2.crl"] } }],
    ["is a delta without its complete list", { crlNumber: 5, deltaBase: 4 }],
  ])("is unknown when the only list %s", async (_, list) => {
    expect(await verdict([list])).toBe("revocation-unknown");
  });

  it("follows a list for the leaf's own distribution point", async () => {
    const scope = { issuingDistributionPoint: { uris: [point], onlyContainsUserCerts: true } };
    expect(await verdict([scope])).toBe("good");
    expect(await verdict([{ ...scope, entries: revoked() }])).toBe("revoked");
  });

  it("is unknown when the list is older than asked", async () => {
    expect(await verdict([{}], { maxAge: 3_600_000 })).toBe("good");
    expect(await verdict([{}], { maxAge: 3_599_999 })).toBe("revocation-unknown");
  });

  it("does not look at the dates of lists while the time is unknown", async () => {
    expect(await verdict([{ nextUpdate: testNow - 1 }], {}, { at: "ignore-dates" })).toBe("good");
    expect(await verdict([{ nextUpdate: testNow - 1, entries: revoked() }], {}, { at: "ignore-dates" })).toBe(
      "revoked",
    );
  });

  it("follows the newest of two lists with the same scope", async () => {
    const held = { crlNumber: 1, entries: revoked("certificateHold") };
    expect(await verdict([held, { crlNumber: 2 }])).toBe("good");
    expect(await verdict([{ crlNumber: 2, entries: revoked() }, { crlNumber: 1 }])).toBe("revoked");
  });

  it("follows a delta that fits its complete list, and no other", async () => {
    const delta = { crlNumber: 7, deltaBase: 5 };
    expect(await verdict([{ crlNumber: 5 }, { ...delta, entries: revoked() }])).toBe("revoked");
    expect(
      await verdict([
        { crlNumber: 5, entries: revoked("certificateHold") },
        { ...delta, entries: revoked("removeFromCRL") },
      ]),
    ).toBe("good");
    expect(await verdict([{ crlNumber: 4 }, { ...delta, entries: revoked() }])).toBe("good");
    expect(await verdict([{ crlNumber: 7 }, { ...delta, entries: revoked() }])).toBe("good");
  });

  it("is refused with a list that is malformed", () => {
    const crls = { lists: [Uint8Array.of(1)], requireFor: "none" as const };
    expect(() => validatePath({ ...good, crls })).toThrow(expect.objectContaining({ code: "crl-invalid" }));
  });
});
