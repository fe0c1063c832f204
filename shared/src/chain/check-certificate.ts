import type { Certificate } from "../certificate/certificate.ts";
import { extensionOids } from "../certificate/extension.ts";
import { isFleetError } from "../errors.ts";
import { keyAlgorithmOf } from "../key/key-algorithm.ts";
import type { Instant } from "../time/instant.ts";
import { pathInvalid } from "./path-failure.ts";

/** What a path is validated for. */
export type PathPurpose = "clientAuth" | "serverAuth" | "any";

/** The instant to judge by, or `ignore-dates` while the time is unknown. */
export type PathTime = Instant | "ignore-dates";

/** What every certificate of a path, the root included, is held against. */
export function checkCertificate(certificate: Certificate, at: PathTime): void {
  checkDates(certificate, at);
  checkProfile(certificate);
  checkCriticalExtensions(certificate);
  checkKey(certificate);
}

/** What the last certificate of a path must be. */
export function checkLeaf(leaf: Certificate, purpose: PathPurpose): void {
  // RFC 5280 §4.2.1.9: who may sign certificates must be marked as a CA.
  if (!leaf.isCa && leaf.keyUsage?.includes("keyCertSign"))
    throw pathInvalid("certificate-profile", `${nameOf(leaf)} may sign certificates but is no CA`);
  if (purpose === "any") return;
  // A stolen CA key would else speak for every peer it ever certified.
  if (leaf.isCa) throw pathInvalid("key-usage", `${nameOf(leaf)} is a CA certificate and authenticates no TLS peer`);
  if (leaf.keyUsage !== undefined && !leaf.keyUsage.includes("digitalSignature"))
    throw pathInvalid("key-usage", `${nameOf(leaf)} may not sign (digitalSignature), TLS 1.3 needs it`);
  if (leaf.extendedKeyUsage === undefined) throw pathInvalid("extended-key-usage", `${nameOf(leaf)} names no purpose`);
  checkPurpose(leaf, purpose);
}

/** What a certificate must be to have issued another; `below` counts the intermediates under it that are not self-issued. */
export function checkIssuer(
  ca: Certificate,
  { below, purpose }: { readonly below: number; readonly purpose: PathPurpose },
): void {
  if (!ca.isCa) throw pathInvalid("not-a-ca", `${nameOf(ca)} is no CA`);
  // RFC 5280 §4.2.1.9: conforming CAs mark the extension critical.
  if (!ca.extensions.some(({ oid, critical }) => oid === extensionOids.basicConstraints && critical))
    throw pathInvalid("certificate-profile", `basic constraints of ${nameOf(ca)} are not critical`);
  // RFC 5280 §4.2.1.3: conforming CA certificates carry the extension.
  if (!ca.keyUsage?.includes("keyCertSign"))
    throw pathInvalid("key-usage", `${nameOf(ca)} may not sign certificates (keyCertSign)`);
  if (ca.pathLen !== undefined && below > ca.pathLen)
    throw pathInvalid("path-length", `${nameOf(ca)} allows ${ca.pathLen} CAs below it, there are ${below}`);
  // RFC 5280 §4.1.2.6 and §4.2.1.2: a CA has a name and a key identifier.
  if (ca.subject.isEmpty) throw pathInvalid("certificate-profile", "a CA certificate has an empty subject");
  if (ca.subjectKeyId === undefined)
    throw pathInvalid("certificate-profile", `${nameOf(ca)} has no subject key identifier`);
  if (ca.extendedKeyUsage !== undefined && purpose !== "any") checkPurpose(ca, purpose);
}

/** How a certificate is called in messages: by its subject, else by its serial number. */
export const nameOf = ({ subject, serial }: Certificate): string =>
  subject.isEmpty ? `"${serial.hex}"` : subject.label;

/**
 * Purposes nest: a CA that names purposes can only pass those on (as the CA/Browser Forum and every TLS library read
 * RFC 5280 §4.2.1.12). The purpose must be named; anyExtendedKeyUsage does not stand for it, as in OpenSSL.
 */
function checkPurpose(certificate: Certificate, purpose: "clientAuth" | "serverAuth"): void {
  if (!certificate.extendedKeyUsage?.includes(purpose))
    throw pathInvalid("extended-key-usage", `${nameOf(certificate)} is not for ${purpose}`);
}

function checkDates(certificate: Certificate, at: PathTime): void {
  if (at === "ignore-dates") return;
  const { notBefore, notAfter } = certificate;
  if (at < notBefore)
    throw pathInvalid("not-yet-valid", `${nameOf(certificate)} is valid from ${iso(notBefore)}, it is ${iso(at)}`);
  // RFC 5280 §4.1.2.5: notAfter is included; the second it names ends 999 ms later.
  if (at > notAfter + 999)
    throw pathInvalid("expired", `${nameOf(certificate)} expired ${iso(notAfter)}, it is ${iso(at)}`);
}

/** Rules of RFC 5280 §4 that conforming CAs keep; breaking one says the issuer cannot be relied on. */
function checkProfile(certificate: Certificate): void {
  const wrong = (what: string) => pathInvalid("certificate-profile", `${nameOf(certificate)} ${what}`);
  if (certificate.version !== 3) throw wrong(`is of version ${certificate.version}`);
  const isSelfIssued = certificate.issuer.equals(certificate.subject);
  if (certificate.authorityKeyId === undefined && (!isSelfIssued || certificate.authorityKeyIdentifier !== undefined))
    throw wrong("has no authority key identifier");
  if (certificate.subject.isEmpty && certificate.subjectAlternativeNames.all.length === 0)
    throw wrong("has no name at all");
  for (const { oid, critical } of certificate.extensions) {
    if (critical ? neverCritical.has(oid) : alwaysCritical.has(oid))
      throw wrong(`has extension ${oid} with a wrong criticality`);
  }
  if (!certificate.isCa && certificate.nameConstraints !== undefined) throw wrong("has name constraints but is no CA");
  const isSanCritical = certificate.extensions.some(
    ({ oid, critical }) => oid === extensionOids.subjectAltName && critical,
  );
  if (certificate.subject.isEmpty && !isSanCritical)
    throw wrong("has an empty subject and alternative names that are not critical");
}

function checkCriticalExtensions(certificate: Certificate): void {
  for (const { oid, critical } of certificate.extensions) {
    if (critical && !understood.has(oid))
      throw pathInvalid(
        "critical-extension",
        `${nameOf(certificate)} has critical extension ${oid}, which is not supported`,
      );
  }
}

function checkKey(certificate: Certificate): void {
  try {
    keyAlgorithmOf(certificate.spki);
  } catch (cause) {
    if (!isFleetError(cause, "key-weak")) throw cause;
    throw pathInvalid("key-weak", `${nameOf(certificate)}: ${cause.message}`, cause);
  }
}

const iso = (instant: Instant): string => new Date(instant).toISOString();

const understood: ReadonlySet<string> = new Set([
  extensionOids.basicConstraints,
  extensionOids.keyUsage,
  extensionOids.extendedKeyUsage,
  extensionOids.subjectAltName,
  extensionOids.nameConstraints,
  extensionOids.certificatePolicies,
  extensionOids.crlDistributionPoints,
]);

const neverCritical: ReadonlySet<string> = new Set([
  extensionOids.authorityKeyId,
  extensionOids.subjectKeyId,
  extensionOids.authorityInfoAccess,
  extensionOids.freshestCrl,
]);

const alwaysCritical: ReadonlySet<string> = new Set([
  extensionOids.nameConstraints,
  extensionOids.policyConstraints,
  extensionOids.inhibitAnyPolicy,
]);
