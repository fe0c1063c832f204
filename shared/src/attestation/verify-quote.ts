import { equalBytes } from "../asn1/der-writer.ts";
import type { DeviceId } from "../device-id.ts";
import type { AttestClock, PcrSelection } from "./attest.ts";
import { attestationInvalid } from "./attestation-failure.ts";
import type { AttestationKey } from "./attestation-key.ts";
import { formatPcrSelections } from "./pcr-selection.ts";
import { quoteQualifyingData } from "./qualifying-data.ts";
import { type TpmHash, tpmDigest, tpmHashBytes } from "./tpm-algorithm.ts";
import { tpmJoin } from "./tpm-writer.ts";
import { type SignedStatement, verifyStatement } from "./verify-statement.ts";

/** What a device sends when it is asked for the state of its PCRs. */
export interface QuoteEvidence extends SignedStatement {
  /** Values in the order of the question: banks as asked, indices ascending. */
  readonly values: readonly Uint8Array[];
}

/** What was asked. */
export interface QuoteExpectation {
  readonly attestationKey: AttestationKey;
  readonly device: DeviceId;
  readonly nonce: Uint8Array;
  readonly pcrs: readonly PcrSelection[];
}

/** PCR values a TPM vouches for. */
export interface VerifiedQuote {
  readonly pcrs: readonly { readonly hash: TpmHash; readonly index: number; readonly value: Uint8Array }[];
  readonly clock: AttestClock;
  readonly firmwareVersion: bigint;
}

/**
 * Verifies a TPM2_Quote by the enrolled attestation key over exactly the PCRs and the nonce that were asked for, and that
 * the values beside it are the quoted ones. Throws `attestation-invalid`.
 */
export function verifyQuote(evidence: QuoteEvidence, expected: QuoteExpectation): VerifiedQuote {
  const { attestationKey, pcrs } = expected;
  const statement = verifyStatement(evidence, { attestationKey, qualifyingData: quoteQualifyingData(expected) });
  const { attested } = statement;
  if (attested.kind !== "quote") throw attestationInvalid("wrong-kind", "the statement is no quote");
  if (formatPcrSelections(attested.pcrs) !== formatPcrSelections(pcrs))
    throw attestationInvalid(
      "pcr-selection",
      `the quote is over ${formatPcrSelections(attested.pcrs)}, asked was ${formatPcrSelections(pcrs)}`,
    );
  const asked = pcrs.flatMap(({ hash, indices }) => indices.map((index) => ({ hash, index })));
  const values = evidence.values.slice(0, asked.length + 1);
  const fits =
    asked.length === values.length && asked.every(({ hash }, at) => values[at]?.length === tpmHashBytes[hash]);
  // Part 3 §18.4.1: the digest is made with the hash of the signing scheme.
  const hash = attestationKey.publicArea.scheme?.hash ?? attestationKey.publicArea.nameHash;
  if (!fits || !equalBytes(tpmDigest(hash, tpmJoin(...values)), attested.digest))
    throw attestationInvalid("pcr-values", "the PCR values are not the quoted ones");
  return {
    pcrs: asked.map((pcr, at) => ({ ...pcr, value: values[at] ?? new Uint8Array(0) })),
    clock: statement.clock,
    firmwareVersion: statement.firmwareVersion,
  };
}
