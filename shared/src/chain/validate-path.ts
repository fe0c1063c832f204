import { equalBytes } from "../asn1/der-writer.ts";
import { type Certificate, parseCertificate } from "../certificate/certificate.ts";
import type { CertificateRevocationList } from "../crl/crl.ts";
import { parseCrl } from "../crl/crl.ts";
import { FleetError } from "../errors.ts";
import { verifySignature } from "../key/verify-signature.ts";
import type { Duration } from "../time/instant.ts";
import {
  checkCertificate,
  checkIssuer,
  checkLeaf,
  nameOf,
  type PathPurpose,
  type PathTime,
} from "./check-certificate.ts";
import { checkName, type ExpectedName } from "./check-name.ts";
import { checkRevocation } from "./check-revocation.ts";
import { checkNameConstraints } from "./name-constraints.ts";
import { isPathError, type PathError, pathInvalid } from "./path-failure.ts";
import type { VerifiedCas } from "./verified-cas.ts";
import { WorkBudget } from "./work-budget.ts";

/** What {@link validatePath} is asked. */
export interface PathQuestion {
  /** DER of the certificate to be judged. */
  readonly leaf: Uint8Array;
  /** DER certificates that may lie between; order does not matter, malformed ones are passed over. */
  readonly intermediates: readonly Uint8Array[];
  /** DER of the certificates everything is judged by. Their dates and constraints count too. */
  readonly roots: readonly Uint8Array[];
  readonly at: PathTime;
  readonly purpose: PathPurpose;
  readonly crls?: RevocationQuestion;
  /** A name the leaf must carry as SubjectAltName; the common name is never looked at. */
  readonly name?: ExpectedName;
  /** What the caller keeps between validations to spare itself signature checks of the same CAs. */
  readonly verifiedCas?: VerifiedCas;
  /** Most CAs between leaf and root, self-issued ones not counted; 8 by default. */
  readonly maxIntermediates?: number;
}

/** Which lists to use and which certificates one must speak about. */
export interface RevocationQuestion {
  readonly lists: readonly (CertificateRevocationList | Uint8Array)[];
  /** Certificates whose status must be known: none, the leaf, or all but the root. What a list says is heeded anyway. */
  readonly requireFor: "none" | "leaf" | "chain";
  /** Oldest thisUpdate taken, on top of nextUpdate. */
  readonly maxAge?: Duration;
}

/** A path that holds: leaf first, root last. */
export interface ValidatedPath {
  readonly leaf: Certificate;
  readonly path: readonly Certificate[];
}

/**
 * Finds a path from the leaf to a root that holds by the rules of a private PKI (RFC 5280 §6 without policy mapping).
 *
 * All candidate paths are tried within a bound of work. Throws `path-invalid` with a `pathFailure` (see
 * {@link pathFailureOf}): the failure of the path that got furthest. Throws `certificate-invalid` for a malformed root
 * and `crl-invalid` for a malformed list.
 */
export function validatePath(question: PathQuestion): ValidatedPath {
  const leaf = parseLeaf(question.leaf);
  const search: Search = {
    ...question,
    roots: question.roots.map(parseCertificate),
    intermediates: parseIntermediates(question.intermediates),
    maxIntermediates: question.maxIntermediates ?? 8,
    budget: new WorkBudget({ signatures: 64, comparisons: 250_000 }),
    lists: (question.crls?.lists ?? []).map((list) => (list instanceof Uint8Array ? parseCrl(list) : list)),
  };
  checkCertificate(leaf, question.at);
  checkLeaf(leaf, question.purpose);
  if (question.name !== undefined) checkName(leaf, question.name);

  const outcome = extend([leaf], search);
  if (outcome.path === undefined) throw outcome.failure;
  return { leaf, path: outcome.path };
}

interface Search extends Omit<PathQuestion, "roots" | "intermediates"> {
  readonly roots: readonly Certificate[];
  readonly intermediates: readonly Certificate[];
  readonly maxIntermediates: number;
  readonly budget: WorkBudget;
  readonly lists: readonly CertificateRevocationList[];
}

type Outcome =
  | { readonly path: readonly Certificate[] }
  | { readonly path?: undefined; readonly failure: PathError; readonly depth: number };

/** Depth-first from the leaf: every certificate that could have issued the last one, roots first. */
function extend(path: readonly Certificate[], search: Search): Outcome {
  const last = path.at(-1) as Certificate;
  let furthest: Outcome = {
    failure: pathInvalid("untrusted", `no trusted certificate for the issuer ${last.issuer.label} of ${nameOf(last)}`),
    depth: path.length,
  };
  for (const issuer of candidates(path, search)) {
    const outcome = tryIssuer(path, issuer, search);
    if (outcome.path !== undefined || outcome.failure.pathFailure === "too-complex") return outcome;
    if (outcome.depth > furthest.depth || furthest.failure.pathFailure === "untrusted") furthest = outcome;
  }
  return furthest;
}

function tryIssuer(path: readonly Certificate[], issuer: Certificate, search: Search): Outcome {
  try {
    return step(path, issuer, search);
  } catch (failure) {
    if (!isPathError(failure)) throw failure;
    return { failure, depth: path.length };
  }
}

function step(path: readonly Certificate[], issuer: Certificate, search: Search): Outcome {
  const below = path.slice(1).filter((certificate) => !isSelfIssued(certificate)).length;
  checkCertificate(issuer, search.at);
  checkIssuer(issuer, { below, purpose: search.purpose });
  requireSignature(path.at(-1) as Certificate, issuer, search);

  const longer = [...path, issuer];
  if (!search.roots.includes(issuer)) return extend(longer, search);
  checkNameConstraints(longer, search.budget);
  checkRevocation(longer, search);
  return { path: longer };
}

function candidates(path: readonly Certificate[], search: Search): Certificate[] {
  const last = path.at(-1) as Certificate;
  const counted = path.slice(1).filter((certificate) => !isSelfIssued(certificate)).length;
  const mayIssue = (candidate: Certificate): boolean =>
    candidate.subject.equals(last.issuer) &&
    fitsKeyId(last, candidate) &&
    !path.some((seen) => isSame(seen, candidate));
  const isInDepth = (candidate: Certificate): boolean =>
    path.length < maxPathLength && counted + (isSelfIssued(candidate) ? 0 : 1) <= search.maxIntermediates;
  return [...search.roots.filter(mayIssue), ...search.intermediates.filter((one) => mayIssue(one) && isInDepth(one))];
}

/** RFC 5280 §4.2.1.1: whoever names the issuer's key means that key; a certificate without an identifier fits nobody less. */
function fitsKeyId({ authorityKeyId }: Certificate, { subjectKeyId }: Certificate): boolean {
  return authorityKeyId === undefined || subjectKeyId === undefined || equalBytes(authorityKeyId, subjectKeyId);
}

function requireSignature(certificate: Certificate, issuer: Certificate, { budget, verifiedCas }: Search): void {
  if (verifiedCas?.has(certificate, issuer)) return;
  budget.takeSignature();
  const { signatureAlgorithm: algorithm, tbs: message, signature } = certificate;
  if (!verifySignature({ spki: issuer.spki, algorithm, message, signature }))
    throw pathInvalid("signature", `${nameOf(certificate)} is not signed by the key of ${nameOf(issuer)}`);
  verifiedCas?.add(certificate, issuer);
}

function parseLeaf(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der);
  } catch (cause) {
    if (!(cause instanceof FleetError)) throw cause;
    throw pathInvalid("malformed", cause.message, cause);
  }
}

function parseIntermediates(ders: readonly Uint8Array[]): Certificate[] {
  if (ders.length > maxCandidates)
    throw pathInvalid("too-complex", `${ders.length} intermediates, limit ${maxCandidates}`);
  return ders.flatMap((der) => {
    try {
      return [parseCertificate(der)];
    } catch (cause) {
      if (!(cause instanceof FleetError)) throw cause;
      return [];
    }
  });
}

const isSelfIssued = (certificate: Certificate): boolean => certificate.issuer.equals(certificate.subject);

/** The same name and key again lead nowhere new: a loop. */
const isSame = (left: Certificate, right: Certificate): boolean =>
  left.sha256 === right.sha256 || (left.subject.equals(right.subject) && equalBytes(left.spki, right.spki));

const maxCandidates = 128;

const maxPathLength = 24;
