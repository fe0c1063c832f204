import type { TpmEvidence } from "@fleetcert/proto";
import { DeviceId, type KeyEvidence, keyQualifyingData } from "@fleetcert/shared";
import type { KeyAttestor } from "../ports.ts";

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
