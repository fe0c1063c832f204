import type { RenewRequest } from "@fleetcert/proto";
import { DeviceId, FleetError, isFleetError, type MadeCredential } from "@fleetcert/shared";
import type { TpmRequest } from "../attestation/attestation.ts";
import { appendAudit } from "../audit/append-audit.ts";
import type { DeviceMessage } from "../ports.ts";
import type { AttestationRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import type { EnrolmentParts } from "./enrolment.ts";

/** A renewal that introduces a TPM; undefined for others, and where no TPM may come in or nobody could answer at once. */
export function introductionOf(
  { attestation }: EnrolmentParts,
  { device, peer }: DeviceMessage,
  { request, spki }: { readonly request: RenewRequest; readonly spki: Uint8Array },
): TpmRequest | undefined {
  const { slot, generation, tpm, evidence } = request;
  const isAsked = attestation.isConfigured && peer.type === "operational";
  if (!isAsked || tpm === undefined || evidence === undefined) return undefined;
  return { device: DeviceId.parse(device), slot, generation, spki, claimId: "", tpm, evidence };
}

/**
 * The credential for a TPM that a device introduces with a renewal; undefined when the device is known with one already,
 * or when this one may not come in. That is no reason to refuse: the slot was not attested before, and a fleet that begins
 * to ask for TPMs must not strand the devices it has. It is audited.
 */
export async function challengeIntroduced(
  parts: EnrolmentParts,
  tx: Transaction,
  introduced: TpmRequest,
): Promise<MadeCredential | undefined> {
  if ((await tx.attestations.find(introduced.device)) !== undefined) return undefined;
  try {
    return await parts.attestation.challenge(tx, introduced);
  } catch (error) {
    if (!isFleetError(error, "attestation-invalid", "path-invalid", "certificate-invalid", "key-weak")) throw error;
    await appendAudit(tx, {
      at: parts.surroundings.clock.now(),
      actor: `device:${introduced.device}`,
      action: "attestation.refused",
      target: introduced.device,
      outcome: "failure",
      details: { code: error.code, message: error.message, generation: String(introduced.generation) },
    });
    return undefined;
  }
}

/** Proves it by what the credential held. Throws `message-invalid` where nobody asked, and as attestation does. */
export async function proveIntroduced(
  { attestation }: EnrolmentParts,
  tx: Transaction,
  { introduced, activated }: { readonly introduced: TpmRequest | undefined; readonly activated: Uint8Array },
): Promise<AttestationRecord> {
  if (introduced === undefined || (await tx.attestations.find(introduced.device)) !== undefined)
    throw new FleetError("message-invalid", "no credential was asked for by this request");
  return await attestation.prove(tx, introduced, activated);
}

/** A device that is known by its TPM from now on. */
export async function noteProvenTpm(tx: Transaction, proven: AttestationRecord): Promise<void> {
  const { device, endorsementKeySha256: endorsementKey, ground, manufacturer, model, firmware, provenAt } = proven;
  await appendAudit(tx, {
    ...{ at: provenAt, actor: `device:${device}`, action: "attestation.proven", target: device, outcome: "success" },
    details: { attestation: ground, endorsementKey, manufacturer, model, firmware },
  });
}
