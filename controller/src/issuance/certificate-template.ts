import { createPublicKey, verify } from "node:crypto";
import {
  type AlternativeName,
  type Certificate,
  type CertificateTemplate,
  FleetError,
  type Instant,
  type KeyAlgorithm,
  parseCertificate,
  type Serial,
  subjectKeyIdOf,
} from "@fleetcert/shared";
import type { CertificateAuthority } from "../ports.ts";

/** What an end certificate says; the names come from the registry, the key from the request. */
export interface EndCertificate {
  readonly commonName: string;
  readonly organization: string;
  readonly alternativeNames: readonly AlternativeName[];
  readonly extendedKeyUsage: readonly ("clientAuth" | "serverAuth" | "ocspSigning")[];
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  readonly isRsa: boolean;
}

/** What is needed of an authority at every issuance, worked out once. */
export interface Issuer {
  readonly id: string;
  readonly certificate: Certificate;
  readonly algorithm: KeyAlgorithm;
  readonly keyId: Uint8Array;
  /** Whether a signature over the bytes is the authority's; worked out beside the event loop. */
  hasSigned(message: Uint8Array, signature: Uint8Array): Promise<boolean>;
}

/** Opens an authority's certificate for issuance. */
export function openIssuer({ id, certificate: der, signer }: CertificateAuthority): Issuer {
  const certificate = parseCertificate(der);
  const { algorithm } = signer;
  // Importing a key costs as much as half a verification; the issuer's stays the same.
  const key = createPublicKey({ key: Buffer.from(certificate.spki), format: "der", type: "spki" });
  const digest = algorithm === "P-384" ? "sha384" : algorithm === "Ed25519" ? null : "sha256";
  return {
    id,
    certificate,
    algorithm,
    keyId: certificate.subjectKeyId ?? subjectKeyIdOf(certificate.spki),
    hasSigned: (message, signature) =>
      new Promise((done, fail) => {
        verify(digest, message, key, signature, (error, isRight) => (error === null ? done(isRight) : fail(error)));
      }),
  };
}

/** The template of an end certificate under an authority (RFC 5280 §4.2; CRLDP names issuer and shard). */
export function endCertificateTemplate(
  certificate: EndCertificate,
  issue: {
    readonly issuer: Issuer;
    readonly serial: Serial;
    readonly shard: number;
    readonly crlBase: string;
    readonly ocspUri?: string | undefined;
  },
): CertificateTemplate {
  const { issuer, crlBase, shard } = issue;
  return {
    serial: issue.serial,
    issuer: issuer.certificate.subject.der,
    subject: { commonName: certificate.commonName, organization: certificate.organization },
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    spki: certificate.spki,
    authorityKeyId: issuer.keyId,
    signatureAlgorithmOf: issuer.algorithm,
    basicConstraints: { ca: false },
    keyUsage: certificate.isRsa ? ["digitalSignature", "keyEncipherment"] : ["digitalSignature"],
    extendedKeyUsage: certificate.extendedKeyUsage,
    subjectAlternativeNames: certificate.alternativeNames,
    crlDistributionPoints: [crlUri({ crlBase, issuer: issuer.id, shard })],
    authorityInfoAccess: {
      caIssuers: [`${crlBase}/ca/${issuer.id}.crt`],
      ...(issue.ocspUri !== undefined && { ocsp: [issue.ocspUri] }),
    },
    // RFC 6960 §4.2.2.2.1: nobody is to ask the responder about the responder; it lives short instead.
    ocspNoCheck: certificate.extendedKeyUsage.includes("ocspSigning"),
  };
}

/** Where the CRL of a shard is served, as certificates and lists name it. */
export function crlUri({
  crlBase,
  issuer,
  shard,
}: {
  readonly crlBase: string;
  readonly issuer: string;
  readonly shard: number;
}): string {
  return `${crlBase}/crl/${issuer}/${shard}.crl`;
}

/** Where the delta of a shard is served, as its complete list names it. */
export function deltaUri(of: Parameters<typeof crlUri>[0]): string {
  return crlUri(of).replace(/\.crl$/, "-delta.crl");
}

/** Re-parses a signed certificate, compares it with its template and verifies its signature. Throws `issued-mismatch`. */
export async function requireIssued(der: Uint8Array, asked: Parameters<typeof compareIssued>[1]): Promise<void> {
  const { tbs, signature } = compareIssued(der, asked);
  if (await asked.issuer.hasSigned(tbs, signature)) return;
  throw new FleetError("issued-mismatch", `certificate ${asked.template.serial.hex} is not signed by its issuer's key`);
}

/**
 * Re-parses a signed certificate and compares it with its template: same to-be-signed bytes, and every field that decides
 * what it may do. Throws `issued-mismatch`.
 */
export function compareIssued(
  der: Uint8Array,
  asked: { readonly tbs: Uint8Array; readonly template: CertificateTemplate; readonly issuer: Issuer },
): Certificate {
  const { template, issuer, tbs } = asked;
  const issued = parseCertificate(der);
  const { uris, dns, ips } = issued.subjectAlternativeNames;
  const checks: readonly (readonly [string, boolean])[] = [
    ["to-be-signed bytes", Buffer.compare(issued.tbs, tbs) === 0],
    ["serial", issued.serial.equals(template.serial)],
    ["issuer", Buffer.compare(issued.issuer.der, issuer.certificate.subject.der) === 0],
    ["subject", issued.subject.commonName === template.subject.commonName],
    ["key", Buffer.compare(issued.spki, template.spki) === 0],
    ["validity", issued.notBefore === template.notBefore && issued.notAfter === template.notAfter],
    ["CA flag", issued.isCa === (template.basicConstraints?.ca ?? false)],
    ["key usage", same(issued.keyUsage, template.keyUsage)],
    ["extended key usage", same(issued.extendedKeyUsage, template.extendedKeyUsage)],
    ["names", same([...uris, ...dns, ...ips].sort(), (template.subjectAlternativeNames ?? []).map(textOf).sort())],
    ["distribution points", same(issued.crlDistributionPoints, template.crlDistributionPoints)],
  ];
  const wrong = checks.filter(([, isRight]) => !isRight).map(([name]) => name);
  if (wrong.length > 0) {
    throw new FleetError("issued-mismatch", `certificate ${template.serial.hex} differs in: ${wrong.join(", ")}`);
  }
  return issued;
}

function textOf(name: AlternativeName): string {
  if ("uri" in name) return name.uri;
  if ("dns" in name) return name.dns;
  return "ip" in name ? name.ip : name.email;
}

function same(a: readonly string[] = [], b: readonly string[] = []): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index]);
}
