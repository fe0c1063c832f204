import { describe, expect, it } from "vitest";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { type LeafWishes, type TestCa, testNow, testPki } from "../../../test/support/pki/test-pki.ts";
import { encodeName } from "../certificate/distinguished-name.ts";
import type { CertificateTemplate, ConstraintName } from "../certificate/encode-certificate.ts";
import type { AlternativeName } from "../certificate/general-name.ts";
import { pathFailureOf } from "./path-failure.ts";
import { type PathQuestion, validatePath } from "./validate-path.ts";
import { VerifiedCas } from "./verified-cas.ts";

const pki = await testPki();
const leaf = (await pki.issueLeaf()).certificate;
const intermediates = [pki.issuing.certificate.der];
const roots = [pki.root.certificate.der];
const good: PathQuestion = { leaf: leaf.der, intermediates, roots, at: testNow, purpose: "clientAuth" };

const failureOf = (question: Partial<PathQuestion>): string | undefined => {
  try {
    validatePath({ ...good, ...question });
    return undefined;
  } catch (error) {
    return pathFailureOf(error) ?? String(error);
  }
};

/** Validates a leaf made with the wishes, below a CA made with the others when there are any. */
async function failureWith(
  leafWishes: LeafWishes,
  caWishes?: LeafWishes,
  question: Partial<PathQuestion> = {},
): Promise<string | undefined> {
  const ca = caWishes && (await pki.issueCa(caWishes));
  const { certificate } = await pki.issueLeaf({ ...leafWishes, ...(ca && { issuedBy: ca }) });
  return failureOf({
    leaf: certificate.der,
    intermediates: [...intermediates, ...(ca ? [ca.certificate.der] : [])],
    ...question,
  });
}

describe("a path", () => {
  it("holds from a leaf over the issuing CA to the root, and is handed back in that order", () => {
    const { path, leaf: found } = validatePath(good);
    expect(path.map(({ sha256 }) => sha256)).toEqual(
      [leaf, pki.issuing.certificate, pki.root.certificate].map(({ sha256 }) => sha256),
    );
    expect(found.sha256).toBe(leaf.sha256);
  });

  it("holds for server and client, and for no purpose in particular", () => {
    expect(failureOf({ purpose: "serverAuth" })).toBeUndefined();
    expect(failureOf({ purpose: "any" })).toBeUndefined();
  });

  it("does not hold without its intermediate, or to another root", async () => {
    const other = await testPki();
    expect(failureOf({ intermediates: [] })).toBe("untrusted");
    expect(failureOf({ roots: [other.root.certificate.der] })).toBe("untrusted");
    expect(failureOf({ roots: [] })).toBe("untrusted");
  });

  it("does not hold when the issuer has the right name and another key", async () => {
    const impostor = await pki.issueCa({ commonName: "test issuing" });
    const claimed = { ...impostor, certificate: pki.issuing.certificate };
    expect(await failureWith({ issuedBy: claimed })).toBe("signature");
  });

  it("holds from the first to the last second of every certificate, and not outside", () => {
    expect(failureOf({ at: leaf.notBefore })).toBeUndefined();
    expect(failureOf({ at: leaf.notBefore - 1 })).toBe("not-yet-valid");
    expect(failureOf({ at: leaf.notAfter + 999 })).toBeUndefined();
    expect(failureOf({ at: leaf.notAfter + 1000 })).toBe("expired");
    expect(failureOf({ at: "ignore-dates" })).toBeUndefined();
  });

  it("does not hold when a CA above has expired", async () => {
    expect(await failureWith({}, { notAfter: testNow - 1000 })).toBe("expired");
    expect(await failureWith({}, { notAfter: testNow - 1000 }, { at: "ignore-dates" })).toBeUndefined();
  });

  it.each<[string, LeafWishes, string]>([
    ["is no CA", { basicConstraints: { ca: false } }, "not-a-ca"],
    ["may not sign certificates", { keyUsage: ["cRLSign"] }, "key-usage"],
    ["is for servers only", { extendedKeyUsage: ["serverAuth"] }, "extended-key-usage"],
    ["is for any purpose, unnamed", { extendedKeyUsage: ["any"] }, "extended-key-usage"],
  ])("does not hold for a client below a CA that %s", async (_, wishes, failure) => {
    expect(await failureWith({}, wishes)).toBe(failure);
  });

  it.each<[string, LeafWishes, string]>([
    ["is for servers only", { extendedKeyUsage: ["serverAuth"] }, "extended-key-usage"],
    ["names no purpose", { extendedKeyUsage: [] }, "extended-key-usage"],
    ["may not sign", { keyUsage: ["keyEncipherment"] }, "key-usage"],
    ["is a CA", { basicConstraints: { ca: true }, keyUsage: ["digitalSignature", "keyCertSign"] }, "key-usage"],
    [
      "may sign certificates without being a CA",
      { keyUsage: ["digitalSignature", "keyCertSign"] },
      "certificate-profile",
    ],
  ])("does not hold for a client whose certificate %s", async (_, wishes, failure) => {
    expect(await failureWith(wishes)).toBe(failure);
  });

  it("counts the CAs below a path length, self-issued ones not", async () => {
    const tight: TestCa = await pki.issueCa({
      issuedBy: pki.root,
      commonName: "tight",
      basicConstraints: { ca: true, pathLen: 0 },
    });
    const below = await pki.issueCa({ issuedBy: tight, commonName: "below" });
    const again = await pki.issueCa({ issuedBy: tight, commonName: "tight" });
    const question = async (issuedBy: TestCa, ...cas: TestCa[]) => {
      const { certificate } = await pki.issueLeaf({ issuedBy });
      return failureOf({ leaf: certificate.der, intermediates: cas.map((ca) => ca.certificate.der) });
    };
    expect(await question(tight, tight)).toBeUndefined();
    expect(await question(below, tight, below)).toBe("path-length");
    expect(await question(again, tight, again)).toBeUndefined();
  });

  it("has no more CAs than the caller allows", async () => {
    expect(failureOf({ maxIntermediates: 0 })).toBe("untrusted");
    expect(failureOf({ maxIntermediates: 1 })).toBeUndefined();
  });

  it("carries the name the caller expects, letter by letter", async () => {
    const names: AlternativeName[] = [
      { dns: "*.fleet.example" },
      { dns: "Exact.example" },
      { ip: "10.0.0.1" },
      { uri: "urn:a" },
    ];
    const named = (name: NonNullable<PathQuestion["name"]>) =>
      failureWith({ subjectAlternativeNames: names, commonName: "cn.example" }, undefined, { name });
    for (const dns of ["a.fleet.example", "exact.EXAMPLE"]) expect(await named({ dns })).toBeUndefined();
    for (const dns of ["fleet.example", "a.b.fleet.example", "cn.example", "10.0.0.1", ""])
      expect(await named({ dns })).toBe("name-mismatch");
    expect(await named({ ip: "10.0.0.1" })).toBeUndefined();
    expect(await named({ ip: "10.0.0.2" })).toBe("name-mismatch");
    expect(await named({ uri: "urn:a" })).toBeUndefined();
    expect(await named({ uri: "URN:a" })).toBe("name-mismatch");
  });

  it("is refused with bytes that are no certificate, and passes over intermediates that are none", () => {
    expect(failureOf({ leaf: Uint8Array.of(1, 2, 3) })).toBe("malformed");
    expect(failureOf({ intermediates: [Uint8Array.of(1, 2, 3), ...intermediates] })).toBeUndefined();
  });

  it("never ends in the leaf itself, even when it is trusted", () => {
    expect(failureOf({ leaf: pki.root.certificate.der, purpose: "any" })).toBe("untrusted");
  });
});

describe("a memory of verified CAs", () => {
  it("spares signature checks and changes no verdict", async () => {
    const verifiedCas = new VerifiedCas();
    const impostor = await pki.issueCa({
      commonName: "test issuing",
      issuedBy: { ...pki.root, signer: testSigner("P-384") },
    });
    const { certificate: forged } = await pki.issueLeaf({ issuedBy: impostor });
    for (let round = 0; round < 3; round++) {
      expect(failureOf({ verifiedCas })).toBeUndefined();
      expect(failureOf({ verifiedCas, at: leaf.notAfter + 1000 })).toBe("expired");
      expect(failureOf({ verifiedCas, leaf: forged.der, intermediates: [impostor.certificate.der] })).toBe("signature");
    }
    expect(verifiedCas.has(pki.issuing.certificate, pki.root.certificate)).toBe(true);
    expect(verifiedCas.has(impostor.certificate, pki.root.certificate)).toBe(false);
    expect(verifiedCas.has(leaf, pki.issuing.certificate)).toBe(false);
  });

  it("forgets the oldest beyond its bound", async () => {
    const verifiedCas = new VerifiedCas();
    const ca = pki.issuing.certificate;
    for (let count = 0; count < 300; count++) verifiedCas.add({ ...ca, sha256: String(count) }, pki.root.certificate);
    expect(verifiedCas.has({ ...ca, sha256: "43" }, pki.root.certificate)).toBe(false);
    expect(verifiedCas.has({ ...ca, sha256: "44" }, pki.root.certificate)).toBe(true);
  });
});

describe("name constraints", () => {
  const check = (names: readonly AlternativeName[], constraints: NonNullable<CertificateTemplate["nameConstraints"]>) =>
    failureWith({ subjectAlternativeNames: names }, { nameConstraints: constraints });
  const net10 = { ipAndMask: Uint8Array.of(10, 0, 0, 0, 255, 0, 0, 0) };

  it.each<[AlternativeName, ConstraintName]>([
    [{ dns: "a.example.com" }, { dns: "example.com" }],
    [{ dns: "EXAMPLE.com" }, { dns: "example.COM" }],
    [{ dns: "*.example.com" }, { dns: "example.com" }],
    [{ ip: "10.9.8.7" }, net10],
    [{ email: "me@example.com" }, { email: "example.com" }],
    [{ email: "me@a.example.com" }, { email: ".example.com" }],
    [{ email: "me@example.com" }, { email: "me@EXAMPLE.com" }],
    [{ uri: "https://a.example.com:8443/x" }, { uri: ".example.com" }],
    [{ uri: "https://user@a.example.com" }, { uri: "a.example.com" }],
  ])("let %o through when %o is permitted and stop it when that is excluded", async (name, base) => {
    expect(await check([name], { permitted: [base] })).toBeUndefined();
    expect(await check([name], { excluded: [base] })).toBe("name-constraints");
  });

  it.each<[AlternativeName, ConstraintName]>([
    [{ dns: "badexample.com" }, { dns: "example.com" }],
    [{ dns: "*.com" }, { dns: "a.com" }],
    [{ ip: "11.0.0.1" }, net10],
    [{ ip: "::ffff:10.0.0.1" }, net10],
    [{ email: "me@a.example.com" }, { email: "example.com" }],
    [{ email: "Me@example.com" }, { email: "me@example.com" }],
    [{ email: "me" }, { email: "example.com" }],
    [{ uri: "https://example.com" }, { uri: ".example.com" }],
    [{ uri: "https://10.0.0.1/" }, { uri: "10.example" }],
    [{ uri: "urn:fleetcert:a" }, { uri: "example.com" }],
  ])("stop %o when only %o is permitted", async (name, base) => {
    expect(await check([name], { permitted: [base] })).toBe("name-constraints");
  });

  it("stop names that cannot be compared, and wildcards that may reach inside, when excluded", async () => {
    expect(await check([{ uri: "urn:fleetcert:a" }], { excluded: [{ uri: "example.com" }] })).toBe("name-constraints");
    expect(await check([{ dns: "*.example.com" }], { excluded: [{ dns: "a.example.com" }] })).toBe("name-constraints");
  });

  it("say nothing about names of another kind", async () => {
    expect(await check([{ uri: "urn:fleetcert:a" }], { permitted: [{ dns: "example.com" }] })).toBeUndefined();
  });

  it.each<[string, ConstraintName]>([
    ["a host with a leading dot", { dns: ".example.com" }],
    ["a mask with holes", { ipAndMask: Uint8Array.of(10, 0, 0, 0, 255, 0, 255, 0) }],
    ["an address of five octets", { ipAndMask: new Uint8Array(5) }],
    ["a mailbox with two at signs", { email: "a@b@example.com" }],
  ])("are refused themselves with %s", async (_, base) => {
    expect(await check([{ uri: "urn:a" }], { excluded: [base] })).toBe("name-constraints");
  });

  it("hold for the subject too, and for host names and mailboxes in it", async () => {
    const directory = encodeName({ commonName: "device-1" });
    expect(await check([{ uri: "urn:a" }], { excluded: [{ directory }] })).toBe("name-constraints");
    expect(await check([{ uri: "urn:a" }], { permitted: [{ directory }] })).toBeUndefined();
    const inName = failureWith(
      { commonName: "host.evil.example", subjectAlternativeNames: [{ uri: "urn:a" }] },
      { nameConstraints: { permitted: [{ dns: "example.com" }] } },
    );
    expect(await inName).toBe("name-constraints");
  });
});

describe("the work of a validation", () => {
  it("is bounded when every CA could have issued every other", async () => {
    const signer = testSigner("P-256");
    const cas: TestCa[] = [];
    for (let count = 0; count < 40; count++) {
      const issuedBy = cas.at(-1) ?? (await testPki()).issuing;
      cas.push(
        await pki.issueCa({
          commonName: "loop",
          signer: count % 2 === 0 ? signer : testSigner("P-256"),
          issuedBy,
          notAfter: testNow + count * 1e9,
        }),
      );
    }
    const { certificate } = await pki.issueLeaf({ issuedBy: cas.at(-1) as TestCa });
    const start = performance.now();
    const failure = failureOf({ leaf: certificate.der, intermediates: cas.map((ca) => ca.certificate.der) });
    expect(["untrusted", "too-complex"]).toContain(failure);
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it("is bounded when names and constraints are many", async () => {
    const subjectAlternativeNames = Array.from({ length: 1000 }, (_, index) => ({ dns: `h${index}.example.com` }));
    const permitted = Array.from({ length: 1000 }, (_, index) => ({ dns: `x${index}.example.com` }));
    expect(await failureWith({ subjectAlternativeNames }, { nameConstraints: { permitted } })).toBe("too-complex");
  });

  it("refuses more intermediates than any peer has", () => {
    expect(failureOf({ intermediates: new Array<Uint8Array>(200).fill(leaf.der) })).toBe("too-complex");
  });
});
