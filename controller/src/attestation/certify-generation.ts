import { type Instant, type KeyEvidence, requireAttestationKey, verifyCertifiedKey } from "@fleetcert/shared";
import type { AttestationRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import type { AttestedKey } from "./attestation.ts";

/** Verifies evidence of a later generation by the attestation key of the enrolment; see {@link AttestedKey}. */
export async function certifyGeneration(
  tx: Transaction,
  {
    key,
    evidence,
    now,
  }: { readonly key: AttestedKey; readonly evidence: KeyEvidence | undefined; readonly now: Instant },
): Promise<AttestationRecord | undefined> {
  const enrolled = await tx.attestations.find(key.device);
  if (enrolled === undefined || evidence === undefined) return undefined;
  verifyCertifiedKey(evidence, { ...key, attestationKey: requireAttestationKey(enrolled.attestationKey) });
  return { ...enrolled, certifiedAt: now };
}
