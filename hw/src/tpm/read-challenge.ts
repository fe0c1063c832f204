import { randomBytes } from "node:crypto";
import type { MadeCredential, TpmPublicArea } from "@fleetcert/shared";
import { policyAuthorization } from "./authorization.ts";
import { activateCredential } from "./commands/attestation.ts";
import { flushedOnFailure, type LoadedObject } from "./commands/objects.ts";
import { policyOr, policySecret, startSession } from "./commands/sessions.ts";
import { type FoundEndorsementKey, withEndorsementKey } from "./endorsement-key.ts";
import { endorsementPolicies } from "./endorsement-policies.ts";
import { inSession } from "./open-session.ts";
import type { TpmConnection } from "./tpm-connection.ts";
import { endorsement } from "./tpm-object.ts";

/**
 * Reads the challenge in a credential that was made for an endorsement key and the key that `withKey` loads. It is a
 * secret until the controller has it back, so the TPM encrypts it on the bus. Throws `token-error` when it was made for
 * other keys.
 */
export function readChallenge(
  tpm: TpmConnection,
  request: {
    readonly found: FoundEndorsementKey;
    readonly credential: MadeCredential;
    readonly withKey: (run: (key: LoadedObject) => Uint8Array) => Uint8Array;
  },
): Uint8Array {
  const { found, credential, withKey } = request;
  return inSession(tpm, { protection: { command: false, response: true } }, (keyAuthorization) =>
    withKey((key) =>
      withEndorsementKey(tpm, found, (endorsementKey) => {
        const policy = startPolicy(tpm, endorsementKey.publicArea);
        const endorsementAuthorization = policyAuthorization(policy);
        const keys = { key, keyAuthorization, endorsementKey, endorsementAuthorization };
        return flushedOnFailure(tpm, policy, () => activateCredential(tpm, { ...keys, ...credential }));
      }),
    ),
  );
}

/** A policy session that may use the endorsement key (TCG EK Credential Profile annex B.6). */
function startPolicy(tpm: TpmConnection, { nameHash, authPolicy }: TpmPublicArea): number {
  const hash = nameHash === "sha384" ? "sha384" : "sha256";
  const { handle } = startSession(tpm, { kind: "policy", hash, nonce: randomBytes(32) });
  return flushedOnFailure(tpm, handle, () => {
    policySecret(tpm, handle, endorsement);
    const { branches } = endorsementPolicies[hash];
    if (!Buffer.from(branches[0]).equals(authPolicy)) policyOr(tpm, handle, branches);
    return handle;
  });
}
