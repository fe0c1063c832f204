import { toHex } from "../asn1/hex.ts";
import type { Certificate } from "../certificate/certificate.ts";
import { type DistinguishedName, rdnComparisonKey } from "../certificate/distinguished-name.ts";
import { extensionOids } from "../certificate/extension.ts";
import type { DistributionPoint } from "../certificate/extension-values.ts";
import type { CertificateRevocationList } from "../crl/crl.ts";
import type { CrlEntry } from "../crl/crl-entries.ts";
import { verifyCrl } from "../crl/verify-crl.ts";
import { isFleetError } from "../errors.ts";
import { nameOf, type PathTime } from "./check-certificate.ts";
import { pathInvalid } from "./path-failure.ts";
import type { RevocationQuestion } from "./validate-path.ts";

/** What {@link checkRevocation} needs of a search. */
export interface RevocationContext {
  readonly crls?: RevocationQuestion;
  readonly lists: readonly CertificateRevocationList[];
  readonly at: PathTime;
}

/**
 * Looks every certificate of a path (leaf first, root last) but the root up in the lists of its issuer.
 *
 * Throws `path-invalid`: revoked, or revocation-unknown where the question asks for a known status. A list counts when it
 * is signed by the issuer's key, which may also be its older or newer one further up in the path, current, direct, and its scope covers the certificate (RFC 5280
 * §6.3.3); lists for some reasons must together cover all. A delta refines the complete list it was made for.
 */
export function checkRevocation(path: readonly Certificate[], context: RevocationContext): void {
  for (const [index, certificate] of path.slice(0, -1).entries()) {
    const status = statusOf(certificate, { ...context, signers: path.slice(index + 1) });
    if (status.kind === "revoked") {
      const since = new Date(status.entry.revokedAt).toISOString();
      throw pathInvalid("revoked", `${nameOf(certificate)} was revoked ${since} (${status.entry.reason})`);
    }
    const requireFor = context.crls?.requireFor ?? "none";
    const isRequired = requireFor === "chain" || (requireFor === "leaf" && index === 0);
    if (status.kind === "unknown" && isRequired)
      throw pathInvalid("revocation-unknown", `no current list covers ${nameOf(certificate)}`);
  }
}

type Status = { readonly kind: "good" | "unknown" } | { readonly kind: "revoked"; readonly entry: CrlEntry };

/** Certificates above the one in question: validated already, and whichever bears the issuer's name may sign its lists. */
interface StatusContext extends RevocationContext {
  readonly signers: readonly Certificate[];
}

function statusOf(certificate: Certificate, context: StatusContext): Status {
  const usable = context.lists.filter((crl) => covers(crl, certificate) && isUsable(crl, context));
  const complete = newestPerScope(usable.filter(({ deltaBase }) => deltaBase === undefined));
  const reasons = new Set<number>();
  for (const crl of complete) {
    const entry = findWithDelta(crl, usable, certificate);
    if (entry !== undefined) return { kind: "revoked", entry };
    for (const reason of reasonsOf(crl, certificate)) reasons.add(reason);
  }
  return { kind: allReasons.every((reason) => reasons.has(reason)) ? "good" : "unknown" };
}

function isUsable(crl: CertificateRevocationList, { signers, at, crls }: StatusContext): boolean {
  if (at !== "ignore-dates" && crls?.maxAge !== undefined && at - crl.thisUpdate > crls.maxAge) return false;
  return signers.some((issuer) => {
    try {
      verifyCrl({ crl, issuer, ...(at === "ignore-dates" ? {} : { at }) });
      return true;
    } catch (error) {
      if (isFleetError(error, "revocation-invalid", "signature-invalid")) return false;
      throw error;
    }
  });
}

/** Whether the list's scope holds the certificate (RFC 5280 §6.3.3 b). */
function covers(crl: CertificateRevocationList, certificate: Certificate): boolean {
  if (!crl.issuer.equals(certificate.issuer)) return false;
  const scope = crl.issuingDistributionPoint;
  if (scope === undefined) return true;
  if (scope.indirectCrl || scope.onlyContainsAttributeCerts) return false;
  if (scope.onlyContainsUserCerts && certificate.isCa) return false;
  if (scope.onlyContainsCaCerts && !certificate.isCa) return false;
  return !isForPoints(scope) || pointsOf(crl, certificate).length > 0;
}

/** The certificate's distribution points that this list answers. */
function pointsOf(crl: CertificateRevocationList, certificate: Certificate) {
  const names = new Set(nameKeys(crl.issuingDistributionPoint, crl.issuer));
  return certificate.distributionPoints.filter(
    (point) => point.crlIssuers.length === 0 && nameKeys(point, certificate.issuer).some((name) => names.has(name)),
  );
}

/** Reasons a list can speak about for a certificate (RFC 5280 §6.3.3 d). */
function reasonsOf(crl: CertificateRevocationList, certificate: Certificate): readonly number[] {
  const scope = crl.issuingDistributionPoint;
  const ofList = allReasons.filter((reason) => scope?.onlySomeReasons?.has(reason) ?? true);
  if (scope === undefined || !isForPoints(scope)) return ofList;
  const points = pointsOf(crl, certificate);
  return ofList.filter((reason) => points.some((point) => point.reasons?.has(reason) ?? true));
}

/** Of complete lists with the same scope only the newest counts: a hold it does not name any more is lifted. */
function newestPerScope(lists: readonly CertificateRevocationList[]): CertificateRevocationList[] {
  const newest = new Map<string, CertificateRevocationList>();
  for (const crl of lists) {
    const known = newest.get(scopeKey(crl));
    if (known === undefined || isNewer(crl, known)) newest.set(scopeKey(crl), crl);
  }
  return [...newest.values()];
}

function isNewer(left: CertificateRevocationList, right: CertificateRevocationList): boolean {
  if (left.crlNumber !== undefined && right.crlNumber !== undefined && left.crlNumber !== right.crlNumber)
    return left.crlNumber > right.crlNumber;
  return left.thisUpdate > right.thisUpdate;
}

/** RFC 5280 §5.2.4: a delta applies to complete lists of its scope numbered from its base up to its own number. */
function findWithDelta(
  complete: CertificateRevocationList,
  usable: readonly CertificateRevocationList[],
  { serial }: Certificate,
): CrlEntry | undefined {
  const number = complete.crlNumber;
  const [delta] = usable
    .filter(
      ({ deltaBase, crlNumber }) =>
        number !== undefined &&
        deltaBase !== undefined &&
        crlNumber !== undefined &&
        deltaBase <= number &&
        number < crlNumber,
    )
    .filter((crl) => scopeKey(crl) === scopeKey(complete))
    .toSorted((left, right) => (isNewer(left, right) ? -1 : 1));
  const change = delta?.find(serial);
  if (change === undefined) return complete.find(serial);
  return change.reason === "removeFromCRL" ? undefined : change;
}

const scopeKey = (crl: CertificateRevocationList): string =>
  crl.extensions
    .filter(({ oid }) => oid === extensionOids.issuingDistributionPoint)
    .map(({ value }) => toHex(value))
    .join();

const isForPoints = (scope: PointName): boolean => scope.names.length > 0 || scope.relativeName !== undefined;

type PointName = Pick<DistributionPoint, "names" | "relativeName">;

/** One text per name of a distribution point; a relative name is put below its issuer's (RFC 5280 §4.2.1.13). */
function nameKeys(point: PointName | undefined, issuer: DistinguishedName): string[] {
  if (point?.relativeName !== undefined)
    return [directoryKey([...issuer.comparisonKeys, rdnComparisonKey(point.relativeName)])];
  return (point?.names ?? []).flatMap((name) => {
    if (name.kind === "uri") return [`uri:${name.value}`];
    return name.kind === "directory" ? [directoryKey(name.name.comparisonKeys)] : [];
  });
}

const directoryKey = (keys: readonly string[]): string => `directory:${keys.join("\u0002")}`;

/** Bits 1 to 8 of ReasonFlags (RFC 5280 §4.2.1.13). */
const allReasons = [1, 2, 3, 4, 5, 6, 7, 8] as const;
