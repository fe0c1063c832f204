import type { RenewRequest, TpmEvidence } from "@fleetcert/proto";
import { DeviceId, type KeyEvidence, keyQualifyingData } from "@fleetcert/shared";
import type { KeyAttestor, Log } from "../ports.ts";
import type { ProvenTpm } from "./proven-tpm.ts";

/** A key that is asked a certificate for. */
export interface RequestedKey {
  readonly device: string;
  readonly slot: string;
  readonly generation: number;
  readonly ref: string;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
}

/** The TPM's word that a key was made in it and stays there, for this request only. Rejects as the key store does. */
export function vouchForKey(attestor: KeyAttestor, { ref, device, ...facts }: RequestedKey): Promise<KeyEvidence> {
  return attestor.certifyKey(ref, keyQualifyingData({ ...facts, device: DeviceId.parse(device) }));
}

/** The same, and who the TPM is: what a first enrolment shows. */
export async function introduceTpm(attestor: KeyAttestor, key: RequestedKey): Promise<TpmEvidence> {
  return { tpm: await attestor.identify(), evidence: await vouchForKey(attestor, key) };
}

/**
 * What a renewal shows: the TPM's word for the key and, while the controller may not know the TPM, who it is. A TPM that
 * cannot say who it is renews without: the credential in use must not expire for that.
 */
export async function vouchForRenewal(
  tpm: ProvenTpm,
  key: RequestedKey,
  log: Log,
): Promise<Pick<RenewRequest, "evidence" | "tpm">> {
  const evidence = await vouchForKey(tpm, key);
  if (tpm.isProven) return { evidence };
  try {
    return { evidence, tpm: await tpm.identify() };
  } catch (error) {
    log.warn({ error }, "TPM not introduced");
    return { evidence };
  }
}
