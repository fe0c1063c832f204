import { randomBytes } from "node:crypto";
import {
  type AlternativeName,
  assembleSigned,
  type Certificate,
  type CertificateTemplate,
  type CrlTemplate,
  encodeName,
  encodeTbsCrl,
  type Instant,
  type KeyAlgorithm,
  parseCertificate,
  Serial,
  type Signer,
  signCertificate,
} from "@fleetcert/shared";
import { testSigner } from "../keys/test-signer.ts";

/** A CA for tests: its certificate and the key that signs for it. */
export interface TestCa {
  readonly certificate: Certificate;
  readonly signer: Signer & { readonly privatePem: string };
}

/** A certificate for tests and its key. */
export interface TestLeaf {
  readonly certificate: Certificate;
  readonly signer: Signer & { readonly privatePem: string };
}

/** What a test says about a leaf; everything else is made up. */
export type LeafWishes = Partial<Omit<CertificateTemplate, "subject" | "spki">> & {
  readonly commonName?: string;
  readonly algorithm?: KeyAlgorithm;
  readonly signer?: Signer & { readonly privatePem: string };
  readonly issuedBy?: TestCa;
};

/** A root (P-384), an issuing CA (P-256) below it, and what issues in their name. Valid from 2026 to 2036. */
export interface TestPki {
  readonly root: TestCa;
  readonly issuing: TestCa;
  /** A device certificate: P-256, client and server, 90 days from {@link testNow}. */
  issueLeaf(wishes?: LeafWishes): Promise<TestLeaf>;
  /** A CA below `issuing`, or below the one given. */
  issueCa(wishes?: LeafWishes): Promise<TestCa>;
  /** DER of a list of `issuing`, or of the CA given. */
  issueCrl(wishes?: Partial<CrlTemplate> & { readonly issuedBy?: TestCa }): Promise<Uint8Array>;
}

/** The present in tests: 2026-06-01 12:00 UTC. */
export const testNow: Instant = Date.UTC(2026, 5, 1, 12);

/** Makes a fresh {@link TestPki}. */
export async function testPki(): Promise<TestPki> {
  const rootSigner = testSigner("P-384");
  const rootTemplate = { ...caTemplate("test root", rootSigner), issuerSpki: rootSigner.spki };
  const root = { certificate: parseCertificate(await signCertificate(rootTemplate, rootSigner)), signer: rootSigner };
  const issuing = await issueCa(root, { commonName: "test issuing", basicConstraints: { ca: true, pathLen: 1 } });
  return {
    root,
    issuing,
    issueLeaf: (wishes = {}) => issueLeaf(wishes.issuedBy ?? issuing, wishes),
    issueCa: (wishes = {}) => issueCa(wishes.issuedBy ?? issuing, wishes),
    issueCrl: (wishes = {}) => issueCrl(wishes.issuedBy ?? issuing, wishes),
  };
}

/** A random serial number without our own layout. */
export const testSerial = (): Serial => Serial.of(Uint8Array.of(0x7f, ...randomBytes(15)));

async function issueLeaf(issuer: TestCa, wishes: LeafWishes): Promise<TestLeaf> {
  const { commonName = "device-1", algorithm = "P-256", signer = testSigner(algorithm), issuedBy: _, ...rest } = wishes;
  const names: AlternativeName[] = [{ uri: `urn:fleetcert:test:device:${commonName}` }];
  return issue(issuer, signer, {
    ...issuedFrom(issuer),
    serial: testSerial(),
    subject: { commonName },
    notBefore: testNow - 3_600_000,
    notAfter: testNow + 90 * 86_400_000,
    spki: signer.spki,
    basicConstraints: { ca: false },
    keyUsage: ["digitalSignature"],
    extendedKeyUsage: ["clientAuth", "serverAuth"],
    subjectAlternativeNames: names,
    ...rest,
  });
}

async function issueCa(issuer: TestCa, wishes: LeafWishes): Promise<TestCa> {
  const { commonName = "test sub", algorithm = "P-256", signer = testSigner(algorithm), issuedBy: _, ...rest } = wishes;
  return issue(issuer, signer, { ...caTemplate(commonName, signer), ...issuedFrom(issuer), ...rest });
}

async function issueCrl(issuer: TestCa, wishes: Partial<CrlTemplate>): Promise<Uint8Array> {
  const { issuedBy: _, ...rest } = wishes as Partial<CrlTemplate> & { readonly issuedBy?: TestCa };
  const tbs = encodeTbsCrl({
    issuer: issuer.certificate.subject.der,
    authorityKeyId: issuer.certificate.subjectKeyId as Uint8Array,
    thisUpdate: testNow - 3_600_000,
    nextUpdate: testNow + 30 * 86_400_000,
    crlNumber: 1,
    entries: [],
    signatureAlgorithmOf: issuer.signer.algorithm,
    ...rest,
  });
  return assembleSigned(tbs, issuer.signer.algorithm, await issuer.signer.sign(tbs));
}

async function issue(issuer: TestCa, signer: TestLeaf["signer"], template: CertificateTemplate): Promise<TestLeaf> {
  return { certificate: parseCertificate(await signCertificate(template, issuer.signer)), signer };
}

const issuedFrom = (issuer: TestCa) => ({
  issuer: issuer.certificate.subject.der,
  authorityKeyId: issuer.certificate.subjectKeyId as Uint8Array,
  signatureAlgorithmOf: issuer.signer.algorithm,
});

function caTemplate(commonName: string, signer: Signer): CertificateTemplate {
  return {
    serial: testSerial(),
    issuer: encodeName({ commonName }),
    subject: { commonName },
    notBefore: Date.UTC(2026, 0, 1),
    notAfter: Date.UTC(2036, 0, 1),
    spki: signer.spki,
    signatureAlgorithmOf: signer.algorithm,
    basicConstraints: { ca: true },
    keyUsage: ["keyCertSign", "cRLSign"],
  };
}
