import { equalBytes } from "../asn1/der-writer.ts";
import type { Certificate } from "../certificate/certificate.ts";
import { extensionOids } from "../certificate/extension.ts";
import { FleetError } from "../errors.ts";
import { verifySignature } from "../key/verify-signature.ts";
import type { Instant } from "../time/instant.ts";
import type { CertificateRevocationList } from "./crl.ts";

/**
 * Checks that a list is the issuer's: its name, key identifier, right to sign lists (RFC 5280 §6.3.3 f, g) and signature;
 * with `at` also that the list is not from the future and not past its nextUpdate.
 *
 * Throws `revocation-invalid`, or `signature-invalid` when only the signature is wrong. The issuer's own path is not
 * looked at.
 */
export function verifyCrl(options: {
  readonly crl: CertificateRevocationList;
  readonly issuer: Certificate;
  readonly at?: Instant;
}): void {
  const { crl, issuer, at } = options;
  const name = issuer.subject.label;
  if (!crl.issuer.equals(issuer.subject)) throw refuse(`the list is issued by ${crl.issuer.label}, not by ${name}`);
  requireProfile(crl);
  const { authorityKeyId } = crl;
  if (authorityKeyId && issuer.subjectKeyId && !equalBytes(authorityKeyId, issuer.subjectKeyId))
    throw refuse(`the list of ${name} names another key of its issuer`);
  if (issuer.keyUsage !== undefined && !issuer.keyUsage.includes("cRLSign"))
    throw refuse(`the certificate of ${name} may not sign lists (cRLSign)`);
  if (at !== undefined) requireCurrent(crl, at);
  const { signatureAlgorithm: algorithm, tbs: message, signature } = crl;
  if (!verifySignature({ spki: issuer.spki, algorithm, message, signature }))
    throw new FleetError("signature-invalid", `the list of ${name} is not signed by its key`);
}

/** RFC 5280 §5.1.2.1, §5.2.1, §5.2.3: what every conforming list has; without a number a rollback cannot be seen. */
function requireProfile({ version, authorityKeyId, crlNumber, extensions }: CertificateRevocationList): void {
  if (version !== 2 || authorityKeyId === undefined || crlNumber === undefined)
    throw refuse("the list lacks its version, authority key identifier or number");
  const wrong = extensions.find(({ oid, critical }) => critical !== mustBeCritical.has(oid) && known.has(oid));
  if (wrong !== undefined) throw refuse(`the list has extension ${wrong.oid} with a wrong criticality`);
}

function requireCurrent(crl: CertificateRevocationList, at: Instant): void {
  const iso = (instant: Instant): string => new Date(instant).toISOString();
  if (crl.thisUpdate > at) throw refuse(`the list is from ${iso(crl.thisUpdate)}, later than ${iso(at)}`);
  if (crl.nextUpdate === undefined) throw refuse("the list has no nextUpdate");
  if (crl.nextUpdate < at) {
    throw new FleetError("revocation-invalid", `the list is past its nextUpdate ${iso(crl.nextUpdate)} at ${iso(at)}`, {
      hint: "fetch the current list",
      retry: true,
    });
  }
}

const refuse = (message: string): FleetError => new FleetError("revocation-invalid", message);

const mustBeCritical: ReadonlySet<string> = new Set([
  extensionOids.deltaCrlIndicator,
  extensionOids.issuingDistributionPoint,
]);

const known: ReadonlySet<string> = new Set([...mustBeCritical, extensionOids.authorityKeyId, extensionOids.crlNumber]);
