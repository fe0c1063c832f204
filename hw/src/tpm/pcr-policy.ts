import { randomBytes } from "node:crypto";
import { type PcrSelection, sha256, tpmJoin, tpmU32 } from "@fleetcert/shared";
import { type Authorization, policyAuthorization } from "./authorization.ts";
import { encodePcrSelections } from "./commands/attestation.ts";
import { readPcrs } from "./commands/capabilities.ts";
import { flushedOnFailure } from "./commands/objects.ts";
import { policyPcr, startSession } from "./commands/sessions.ts";
import type { TpmConnection } from "./tpm-connection.ts";

/** The policy that is satisfied while these PCRs have the values they have now (Part 3 §23.7). */
export function presentPcrPolicy(tpm: TpmConnection, pcrs: readonly PcrSelection[]): Uint8Array {
  const values = sha256(tpmJoin(...readPcrs(tpm, pcrs)));
  return sha256(tpmJoin(new Uint8Array(32), tpmU32(policyPcrCode), encodePcrSelections(pcrs), values));
}

/** Runs one command by a policy session that states the PCRs; it is over with the command, also when that fails. */
export function withPcrPolicy<T>(
  tpm: TpmConnection,
  pcrs: readonly PcrSelection[],
  run: (authorization: Authorization) => T,
): T {
  const { handle } = startSession(tpm, { kind: "policy", hash: "sha256", nonce: randomBytes(32) });
  return flushedOnFailure(tpm, handle, () => {
    policyPcr(tpm, handle, pcrs);
    return run(policyAuthorization(handle));
  });
}

/** TPM_CC_PolicyPCR. */
const policyPcrCode = 0x17f;
