import {
  type AttestationKey,
  admitEndorsementKey,
  type EndorsementGround,
  type EndorsementKey,
  type EndorsementPolicy,
  type Instant,
  requireAttestationKey,
  requireEndorsementKey,
  verifyCertifiedKey,
} from "@fleetcert/shared";
import type { TpmRequest } from "./attestation.ts";

/** A TPM that may come in, and whose word for the key holds; that it is who it says is still to be shown. */
export interface JudgedTpm {
  readonly endorsementKey: EndorsementKey;
  readonly ground: EndorsementGround;
  readonly attestationKey: AttestationKey;
}

/**
 * Judges everything about a TPM that can be judged from what it sent: the endorsement key and by what it comes in, the
 * attestation key, and its certification of the key of the request. Pure. Throws as `Attestation` says.
 */
export function judgeTpm(request: TpmRequest, policy: EndorsementPolicy, now: Instant): JudgedTpm {
  const { tpm, evidence, ...key } = request;
  const endorsementKey = requireEndorsementKey(tpm.endorsementKey, tpm.endorsementCertificate);
  const ground = admitEndorsementKey(endorsementKey, policy, now);
  const attestationKey = requireAttestationKey(tpm.attestationKey);
  verifyCertifiedKey(evidence, { ...key, attestationKey });
  return { endorsementKey, ground, attestationKey };
}
