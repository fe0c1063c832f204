import {
  attestationInvalid,
  type CredentialCrypto,
  FleetError,
  type MadeCredential,
  makeCredential,
  sha256Hex,
  tpmJoin,
  tpmU32,
} from "@fleetcert/shared";
import type { Transaction } from "../store-port.ts";
import type { AttestationParts, TpmRequest } from "./attestation.ts";
import { currentChallengeKeys } from "./challenge-keys.ts";
import type { JudgedTpm } from "./judge-tpm.ts";

interface Judged {
  readonly request: TpmRequest;
  readonly judged: JudgedTpm;
}

/**
 * Makes the credential for one request. Its secret is a MAC over everything the request is about, under a key that lives
 * for minutes: nothing is kept for each request, asking again is the same question, and an answer fits no other request.
 */
export async function makeChallenge(
  parts: AttestationParts,
  tx: Transaction,
  { request, judged }: Judged,
): Promise<MadeCredential> {
  const { crypto, surroundings } = parts;
  const [key] = await currentChallengeKeys(tx, surroundings);
  if (key === undefined) throw new FleetError("internal", "there is no key to make challenges with");
  return makeCredential(crypto, {
    endorsementKey: judged.endorsementKey.publicArea,
    name: judged.attestationKey.name,
    challenge: secretOf(crypto, key, { request, judged }),
  });
}

/** Throws `attestation-invalid` (activation) unless the secret is the one that this request's credential held. */
export async function requireActivated(
  parts: AttestationParts,
  tx: Transaction,
  { activated, ...judged }: Judged & { readonly activated: Uint8Array },
): Promise<void> {
  const keys = await currentChallengeKeys(tx, parts.surroundings);
  // Hashes are compared, so that timing tells nothing about the secret.
  const shown = sha256Hex(activated);
  if (keys.some((key) => sha256Hex(secretOf(parts.crypto, key, judged)) === shown)) return;
  throw attestationInvalid(
    "activation",
    "the answer is not what the credential for this TPM, key and device held, or it came too late",
  );
}

function secretOf(crypto: CredentialCrypto, key: Uint8Array, { request, judged }: Judged): Uint8Array {
  const { device, slot, generation, spki, claimId } = request;
  const { endorsementKey, attestationKey } = judged;
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  const facts = [
    text("fleetcert/1/activation"),
    ...[device, slot, String(generation), claimId, endorsementKey.hash].map(text),
    spki,
    attestationKey.name,
  ];
  return crypto.hmac("sha256", key, tpmJoin(...facts.map((fact) => tpmJoin(tpmU32(fact.length), fact))));
}
