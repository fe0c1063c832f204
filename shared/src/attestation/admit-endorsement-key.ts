import { validatePath } from "../chain/validate-path.ts";
import type { Instant } from "../time/instant.ts";
import { attestationInvalid } from "./attestation-failure.ts";
import type { EndorsementKey } from "./endorsement-key.ts";

/** Which TPMs may come in. */
export interface EndorsementPolicy {
  /** DER of the manufacturers' root certificates. */
  readonly roots: readonly Uint8Array[];
  /** DER of CA certificates below them; order does not matter. */
  readonly intermediates: readonly Uint8Array[];
  /** SHA-256 of SPKIs of endorsement keys that come in without a certificate, lower-case hex. */
  readonly allowed: ReadonlySet<string>;
}

/** By what a TPM was let in. */
export type EndorsementGround = "manufacturer" | "allow-list";

/**
 * Decides whether a TPM may come in by its endorsement key: it is on the allow-list, or its certificate is one for
 * endorsement keys and chains to a manufacturer's root at this time. That the device holds the key is for an activated
 * credential to show. Throws `attestation-invalid`, or `path-invalid` with its reason.
 */
export function admitEndorsementKey(
  { hash, certificate }: EndorsementKey,
  { roots, intermediates, allowed }: EndorsementPolicy,
  at: Instant,
): EndorsementGround {
  if (allowed.has(hash)) return "allow-list";
  if (certificate === undefined)
    throw attestationInvalid("not-allowed", `the endorsement key ${hash} has no certificate and is on no allow-list`);
  // TCG EK Credential Profile §3.2.16: who names purposes names this one.
  const { extendedKeyUsage } = certificate;
  if (extendedKeyUsage !== undefined && !extendedKeyUsage.some((purpose) => purpose === endorsementPurpose))
    throw attestationInvalid("endorsement-key", "the certificate of the endorsement key is for another purpose");
  validatePath({ leaf: certificate.der, intermediates, roots, at, purpose: "any" });
  return "manufacturer";
}

/** tcg-kp-EKCertificate. */
const endorsementPurpose = "2.23.133.8.1";
