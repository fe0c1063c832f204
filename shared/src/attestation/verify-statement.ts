import { equalBytes } from "../asn1/der-writer.ts";
import { type Attest, parseAttest } from "./attest.ts";
import { attestationInvalid } from "./attestation-failure.ts";
import type { AttestationKey } from "./attestation-key.ts";
import { requireTpmSignature } from "./tpm-signature.ts";

/** A statement as it comes from a TPM: TPMS_ATTEST and TPMT_SIGNATURE. */
export interface SignedStatement {
  readonly attest: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * What every statement is held against: signature, magic, signer and nonce. The signature comes first, so that nothing
 * else is read from bytes of a stranger. Throws `attestation-invalid`.
 */
export function verifyStatement(
  { attest, signature }: SignedStatement,
  expected: { readonly attestationKey: AttestationKey; readonly qualifyingData: Uint8Array },
): Attest {
  const { attestationKey, qualifyingData } = expected;
  requireTpmSignature(attestationKey.publicArea, { statement: attest, signature });
  const statement = parseAttest(attest);
  if (!equalBytes(statement.qualifiedSigner, attestationKey.qualifiedName))
    throw attestationInvalid("wrong-signer", "the statement names another signer than the enrolled attestation key");
  if (!equalBytes(statement.extraData, qualifyingData))
    throw attestationInvalid("nonce", "the statement is bound to another device, slot, generation, key or nonce");
  return statement;
}
