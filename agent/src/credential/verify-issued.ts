import type { Issued, TrustBundle } from "@fleetcert/proto";
import { type Duration, FleetError, type Instant, parseCertificate, validatePath } from "@fleetcert/shared";

/** A certificate that was verified against what was asked for. */
export interface IssuedRecord {
  /** DER. */
  readonly certificate: Uint8Array;
  /** DER, issuing CA first, root last; the path that was verified, whatever the answer carried. */
  readonly chain: readonly Uint8Array[];
  readonly notBefore: Instant;
  readonly notAfter: Instant;
}

/** What came back for a certificate request: a verified certificate, or a refusal. */
export type RequestAnswer =
  | ({ readonly type: "issued" } & IssuedRecord)
  | {
      readonly type: "refused";
      readonly code: string;
      readonly message: string;
      readonly hint: string;
      readonly retryAfter: Duration;
    };

/** What an issued certificate has to be. */
export interface IssuedExpectation {
  readonly fleet: string;
  readonly device: string;
  readonly slot: string;
  readonly generation: number;
  /** DER SubjectPublicKeyInfo of the key that was certified. */
  readonly spki: Uint8Array;
  readonly bundle: TrustBundle;
  /** The signed time of the answer; the path has to hold at it. */
  readonly at: Instant;
}

/**
 * Checks that the controller issued what was asked for: this generation of this slot, this key, this device and no other name,
 * under a CA of the trust bundle. Throws `issued-mismatch`, whose cause says what failed.
 */
export function verifyIssued(issued: Issued, expected: IssuedExpectation): IssuedRecord {
  if (issued.slot !== expected.slot || issued.generation !== expected.generation) {
    throw mismatch(`it is for generation ${issued.generation} of ${issued.slot}`);
  }
  try {
    return checkCertificate(issued.certificate, expected);
  } catch (cause) {
    if (cause instanceof FleetError && cause.code === "issued-mismatch") throw cause;
    throw mismatch(cause instanceof Error ? cause.message : "it cannot be read", cause);
  }
}

function checkCertificate(der: Uint8Array, expected: IssuedExpectation): IssuedRecord {
  const certificate = parseCertificate(der);
  const { fleet, device, slot, spki, bundle, at } = expected;
  if (Buffer.compare(certificate.spki, spki) !== 0) throw mismatch("it certifies another key");
  if (certificate.subject.commonName !== device) throw mismatch(`its common name is ${certificate.subject.commonName}`);
  if (certificate.isCa) throw mismatch("it is a CA certificate");
  const { uris } = certificate.subjectAlternativeNames;
  const urn = slot === "identity" ? identityUrn(fleet, device) : `${identityUrn(fleet, device)}:slot:${slot}`;
  if (uris.length !== 1 || uris[0] !== urn) throw mismatch(`its URIs are ${uris.join(", ")} instead of ${urn}`);
  const { path } = validatePath({
    leaf: der,
    intermediates: bundle.issuers,
    roots: bundle.roots,
    at,
    // What a service's certificate is for is its profile's matter; an identity must open sessions.
    purpose: slot === "identity" ? "clientAuth" : "any",
  });
  return {
    certificate: der,
    chain: path.slice(1).map((one) => one.der),
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
  };
}

/** The URI by which an identity certificate names its device. */
export function identityUrn(fleet: string, device: string): string {
  return `urn:fleetcert:${fleet}:device:${device}`;
}

function mismatch(message: string, cause?: unknown): FleetError {
  return new FleetError("issued-mismatch", `the issued certificate is not what was asked for: ${message}`, { cause });
}
