import {
  assembleSigned,
  type Certificate,
  type CertificateTemplate,
  encodeName,
  encodeTbsCertificate,
  FleetError,
  type Instant,
  parseCertificate,
  Serial,
  type Signer,
  sha256Hex,
  verifySignature,
} from "@fleetcert/shared";
import type { RandomSource } from "../ports.ts";

/** Who writes down what the root is about to sign and what it has signed, durably, before it resolves (I2). */
export interface RootRecords {
  recordIntent(entry: RootIntent): Promise<void>;
  recordOutcome(entry: RootIntent & { readonly sha256: string }): Promise<void>;
}

/** What the root is about to sign. */
export interface RootIntent {
  readonly kind: "certificate" | "crl";
  readonly target: string;
  readonly tbsSha256: string;
}

/** Signs a CA certificate in the order of I2: intent, signature, comparison, outcome. Throws `issued-mismatch`. */
export async function signCa(
  records: RootRecords,
  {
    template,
    signer,
    target,
  }: { readonly template: CertificateTemplate; readonly signer: Signer; readonly target: string },
): Promise<Certificate> {
  const tbs = encodeTbsCertificate(template);
  const tbsSha256 = sha256Hex(tbs);
  const intent = { kind: "certificate" as const, target, tbsSha256 };
  await records.recordIntent(intent);
  const certificate = parseCertificate(assembleSigned(tbs, signer.algorithm, await signer.sign(tbs)));
  const { signatureAlgorithm: algorithm, signature } = certificate;
  const isOurs = verifySignature({ spki: signer.spki, algorithm, message: tbs, signature });
  if (!isOurs || sha256Hex(certificate.tbs) !== tbsSha256 || !certificate.isCa) {
    throw new FleetError("issued-mismatch", `the certificate of the ${target} is not what was asked for`);
  }
  await records.recordOutcome({ ...intent, sha256: certificate.sha256 });
  return certificate;
}

/** What a CA certificate of ours says: a self-signed one, unless issuer and its key are put in its place. */
export function caTemplate(ca: {
  readonly random: RandomSource;
  readonly fleet: string;
  readonly commonName: string;
  readonly key: Pick<Signer, "spki" | "algorithm">;
  readonly validity: { readonly notBefore: Instant; readonly notAfter: Instant };
  /** CAs below it; undefined sets no limit. */
  readonly pathLen: number | undefined;
  /** Where its issuer's list is served; undefined for a root, and where no fixed address is known. */
  readonly listUri?: string | undefined;
}): CertificateTemplate {
  const subject = { commonName: ca.commonName, organization: ca.fleet };
  return {
    // CA serials are not of the shard layout: first octet 0x02 to 0x7f, so that none is taken for a device's.
    serial: Serial.of(
      Uint8Array.from(ca.random.bytes(20), (octet, index) => (index === 0 ? 0x40 | (octet & 0x3f) : octet)),
    ),
    issuer: encodeName(subject),
    subject,
    ...ca.validity,
    spki: ca.key.spki,
    issuerSpki: ca.key.spki,
    signatureAlgorithmOf: ca.key.algorithm,
    basicConstraints: { ca: true, ...(ca.pathLen !== undefined && { pathLen: ca.pathLen }) },
    keyUsage: ["keyCertSign", "cRLSign"],
    ...(ca.listUri !== undefined && { crlDistributionPoints: [ca.listUri] }),
  };
}
