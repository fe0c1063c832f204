import { FleetError, type KeyEvidence } from "@fleetcert/shared";
import { check } from "./checks.ts";
import type { fleetcert } from "./generated/v1.js";
import type { EnrolRequest, RenewRequest, TpmEvidence, TpmKeys } from "./message.ts";

type WireEnrol = fleetcert.v1.EnrolRequest.$Properties;
type WireRenew = fleetcert.v1.RenewRequest.$Properties;
type WireAttestation = fleetcert.v1.Attestation.$Properties;
type Absent = null | undefined;

/** An enrolment as it stands on the wire, where TPM and evidence are fields of their own. */
export function encodeEnrol({ attested, ...rest }: EnrolRequest): WireEnrol {
  if (attested === undefined) return rest;
  return { ...rest, tpm: encodeTpm(attested.tpm), evidence: attested.evidence };
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
    ...(wire?.claimId && { claimId: check.claimId(wire.claimId) }),
  };
}

/** A renewal as it stands on the wire. */
export function encodeRenew({ tpm, ...rest }: RenewRequest): WireRenew {
  return tpm === undefined ? rest : { ...rest, tpm: encodeTpm(tpm) };
}

/** Reads a renewal. Throws `message-invalid`. */
export function decodeRenew(wire: WireRenew | Absent): RenewRequest {
  const [evidence, tpm] = [decodeEvidence(wire?.evidence), decodeTpm(wire?.tpm)];
  return {
    slot: check.slot(wire?.slot),
    generation: check.generation(wire?.generation),
    csr: check.bytes(wire?.csr, "csr", maxCsrBytes),
    previousCertificateSha256: check.sha256(wire?.previousCertificateSha256, "previous certificate"),
    protection: check.protection(wire?.protection),
    tokenSerial: check.text(wire?.tokenSerial, "token serial", 64),
    ...(evidence && { evidence }),
    ...(tpm && { tpm }),
  };
}

/** The request in a second leg; a renewal is told from an enrolment by the certificate it names. */
export function encodeAttested(request: EnrolRequest | RenewRequest): WireAttestation {
  return "previousCertificateSha256" in request ? { renew: encodeRenew(request) } : { enrol: encodeEnrol(request) };
}

/** Reads the request in a second leg: one, not both. Throws `message-invalid`. */
export function decodeAttested(wire: WireAttestation | Absent): EnrolRequest | RenewRequest {
  if (wire?.enrol && wire.renew) throw new FleetError("message-invalid", "an attestation is for one request");
  return wire?.renew ? decodeRenew(wire.renew) : decodeEnrol(wire?.enrol);
}

function decodeTpmEvidence(wire: WireEnrol | Absent): TpmEvidence | undefined {
  const evidence = decodeEvidence(wire?.evidence);
  const tpm = decodeTpm(wire?.tpm);
  if (tpm === undefined && evidence === undefined) return undefined;
  if (tpm === undefined || evidence === undefined)
    throw new FleetError("message-invalid", "a TPM and the evidence of its key come together");
  return { evidence, tpm };
}

function decodeEvidence(wire: fleetcert.v1.KeyEvidence.$Properties | Absent): KeyEvidence | undefined {
  if (!wire) return undefined;
  return {
    publicArea: check.bytes(wire.publicArea, "public area", maxPublicAreaBytes),
    parent: check.bytes(wire.parent, "parent", maxPublicAreaBytes),
    attest: check.bytes(wire.attest, "attest", 2048),
    signature: check.bytes(wire.signature, "TPM signature", 1024),
  };
}

function encodeTpm(tpm: TpmKeys): fleetcert.v1.TpmIdentity.$Properties {
  return { ...tpm, endorsementCertificate: tpm.endorsementCertificate ?? new Uint8Array() };
}

function decodeTpm(wire: fleetcert.v1.TpmIdentity.$Properties | Absent): TpmKeys | undefined {
  if (!wire) return undefined;
  const certificate = check.bytes(wire.endorsementCertificate, "endorsement certificate", 8192, 0);
  return {
    endorsementKey: check.bytes(wire.endorsementKey, "endorsement key", maxPublicAreaBytes),
    endorsementCertificate: certificate.length === 0 ? undefined : certificate,
    attestationKey: check.bytes(wire.attestationKey, "attestation key", maxPublicAreaBytes),
  };
}

const maxCsrBytes = 4096;
const maxPublicAreaBytes = 1024;
