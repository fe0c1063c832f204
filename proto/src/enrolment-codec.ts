import { FleetError, type KeyEvidence } from "@fleetcert/shared";
import { check } from "./checks.ts";
import type { fleetcert } from "./generated/v1.js";
import type { EnrolRequest, TpmEvidence } from "./message.ts";

type WireEnrol = fleetcert.v1.EnrolRequest.$Properties;
type WireEvidence = fleetcert.v1.KeyEvidence.$Properties;
type Absent = null | undefined;

/** An enrolment as it stands on the wire, where TPM and evidence are fields of their own. */
export function encodeEnrol({ attested, ...rest }: EnrolRequest): WireEnrol {
  if (attested === undefined) return rest;
  const { tpm, evidence } = attested;
  const endorsementCertificate = tpm.endorsementCertificate ?? new Uint8Array();
  return { ...rest, tpm: { ...tpm, endorsementCertificate }, evidence };
}

/** Reads an enrolment. Throws `message-invalid`. */
export function decodeEnrol(wire: WireEnrol | Absent): EnrolRequest {
  const attested = decodeTpmEvidence(wire);
  return {
    slot: check.slot(wire?.slot),
    generation: check.generation(wire?.generation),
    csr: check.bytes(wire?.csr, "csr", maxCsrBytes),
    protection: check.protection(wire?.protection),
    tokenSerial: check.text(wire?.tokenSerial, "token serial", 64),
    agentVersion: check.text(wire?.agentVersion, "agent version", 64),
    ...(attested && { attested }),
  };
}

/** Reads the evidence of a renewal, where there is one. Throws `message-invalid`. */
export function decodeEvidence(wire: WireEvidence | Absent): KeyEvidence | undefined {
  if (!wire) return undefined;
  return {
    publicArea: check.bytes(wire.publicArea, "public area", maxPublicAreaBytes),
    parent: check.bytes(wire.parent, "parent", maxPublicAreaBytes),
    attest: check.bytes(wire.attest, "attest", 2048),
    signature: check.bytes(wire.signature, "TPM signature", 1024),
  };
}

function decodeTpmEvidence(wire: WireEnrol | Absent): TpmEvidence | undefined {
  const evidence = decodeEvidence(wire?.evidence);
  const tpm = wire?.tpm ?? undefined;
  if (tpm === undefined && evidence === undefined) return undefined;
  if (tpm === undefined || evidence === undefined)
    throw new FleetError("message-invalid", "a TPM and the evidence of its key come together");
  const certificate = check.bytes(tpm.endorsementCertificate, "endorsement certificate", 8192, 0);
  return {
    evidence,
    tpm: {
      endorsementKey: check.bytes(tpm.endorsementKey, "endorsement key", maxPublicAreaBytes),
      endorsementCertificate: certificate.length === 0 ? undefined : certificate,
      attestationKey: check.bytes(tpm.attestationKey, "attestation key", maxPublicAreaBytes),
    },
  };
}

/** Largest request for a certificate. */
export const maxCsrBytes = 4096;
const maxPublicAreaBytes = 1024;
