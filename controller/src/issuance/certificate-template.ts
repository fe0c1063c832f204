import {
  type AlternativeName,
  type CertificateTemplate,
  FleetError,
  type Instant,
  parseCertificate,
  type Serial,
  sha256Hex,
  verifySignature,
} from "@fleetcert/shared";
import type { CertificateAuthority } from "../ports.ts";

/** What an end certificate says; the names come from the registry, the key from the request. */
export interface EndCertificate {
  readonly commonName: string;
  readonly organization: string;
  readonly alternativeNames: readonly AlternativeName[];
  readonly extendedKeyUsage: readonly ("clientAuth" | "serverAuth")[];
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  readonly isRsa: boolean;
}

/** The template of an end certificate under an authority (RFC 5280 §4.2; CRLDP names issuer and shard). */
export function endCertificateTemplate(
  certificate: EndCertificate,
  issue: {
    readonly authority: CertificateAuthority;
    readonly serial: Serial;
    readonly shard: number;
    readonly crlBase: string;
  },
): CertificateTemplate {
  const { authority } = issue;
  const issuer = parseCertificate(authority.certificate);
  return {
    serial: issue.serial,
    issuer: issuer.subject.der,
    subject: { commonName: certificate.commonName, organization: certificate.organization },
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    spki: certificate.spki,
    ...(issuer.subjectKeyId === undefined ? { issuerSpki: issuer.spki } : { authorityKeyId: issuer.subjectKeyId }),
    signatureAlgorithmOf: authority.signer.algorithm,
    basicConstraints: { ca: false },
    keyUsage: certificate.isRsa ? ["digitalSignature", "keyEncipherment"] : ["digitalSignature"],
    extendedKeyUsage: certificate.extendedKeyUsage,
    subjectAlternativeNames: certificate.alternativeNames,
    crlDistributionPoints: [crlUri({ ...issue, issuer: authority.id })],
    authorityInfoAccess: { caIssuers: [`${issue.crlBase}/ca/${authority.id}.crt`] },
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

/**
 * Re-parses a signed certificate and compares it with its template: same to-be-signed bytes, signature of the authority,
 * and every field that decides what it may do. Throws `issued-mismatch`.
 */
export function compareIssued(
  der: Uint8Array,
  asked: { readonly tbs: Uint8Array; readonly template: CertificateTemplate; readonly authority: CertificateAuthority },
): void {
  const { template, authority } = asked;
  const issued = parseCertificate(der);
  const issuer = parseCertificate(authority.certificate);
  const { signatureAlgorithm: algorithm, signature } = issued;
  const checks: readonly (readonly [string, boolean])[] = [
    ["to-be-signed bytes", sha256Hex(issued.tbs) === sha256Hex(asked.tbs)],
    ["signature", verifySignature({ spki: issuer.spki, algorithm, message: issued.tbs, signature })],
    ["serial", issued.serial.equals(template.serial)],
    ["issuer", same(issued.issuer.der, issuer.subject.der)],
    ["subject", issued.subject.commonName === template.subject.commonName],
    ["key", same(issued.spki, template.spki)],
    ["validity", issued.notBefore === template.notBefore && issued.notAfter === template.notAfter],
    ["CA flag", issued.isCa === (template.basicConstraints?.ca ?? false)],
    ["key usage", same(issued.keyUsage, template.keyUsage)],
    ["extended key usage", same(issued.extendedKeyUsage ?? [], template.extendedKeyUsage ?? [])],
    ["names", issued.subjectAlternativeNames.all.length === (template.subjectAlternativeNames ?? []).length],
    ["distribution points", same(issued.crlDistributionPoints, template.crlDistributionPoints ?? [])],
  ];
  const wrong = checks.filter(([, isRight]) => !isRight).map(([name]) => name);
  if (wrong.length > 0) {
    throw new FleetError("issued-mismatch", `certificate ${template.serial.hex} differs in: ${wrong.join(", ")}`);
  }
}

function same(a: unknown, b: unknown): boolean {
  const plain = (value: unknown) => JSON.stringify(value instanceof Uint8Array ? [...value] : value);
  return plain(a) === plain(b);
}
