import type { AttestationAnswer, Body, BodyOf, RenewRequest } from "@fleetcert/proto";
import { type Csr, DeviceId, FleetError, parseCsr, spkiSha256 } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import { findGranted, provenGeneration } from "../policy/policy.ts";
import type { DeviceMessage } from "../ports.ts";
import type { AttestationRecord, CertificateRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import { provable } from "./enrol.ts";
import type { EnrolmentParts } from "./enrolment.ts";
import { challengeIntroduced, introductionOf, noteProvenTpm, proveIntroduced } from "./introduce-tpm.ts";
import { issuedBody } from "./issued-body.ts";

type Reply = (tx: Transaction, body: Body) => Promise<void>;

/**
 * Renews a slot: signed by the proven key of the current generation, the CSR proves the new one. The new certificate
 * says what the registry says: identity never widens. Another key for a generation that is installed already means that
 * two hold the device's key: the device is suspended, nothing is replaced.
 *
 * A device that has not enrolled with a TPM may introduce one: it is answered with a credential, the certificate comes
 * for {@link attestRenewal}.
 */
export async function renew(parts: EnrolmentParts, received: DeviceMessage, reply: Reply): Promise<void> {
  const renewal = await requireRenewal(parts, received, received.message.body as BodyOf<"renew">);
  const introduced = introductionOf(parts, received, { request: renewal.request, spki: renewal.csr.spki });
  if (introduced !== undefined && !(await isGranted(parts, renewal))) {
    const isChallenged = await parts.store.transaction(async (tx) => {
      const credential = await challengeIntroduced(parts, tx, introduced);
      if (credential === undefined) return false;
      await reply(tx, { type: "credential", ...credential, trustBundles: [] });
      return true;
    });
    if (isChallenged) return;
  }
  const { slot, generation, evidence } = renewal.request;
  const key = { device: DeviceId.parse(renewal.device), slot, generation, spki: renewal.csr.spki };
  const attestation = await parts.store.transaction((tx) => parts.attestation.certify(tx, key, evidence));
  await issue(parts, { ...renewal, attestation, isIntroduction: false }, reply);
}

/** The second leg of a renewal that introduces a TPM. */
export async function attestRenewal(parts: EnrolmentParts, received: DeviceMessage, reply: Reply): Promise<void> {
  const { request, activated } = received.message.body as AttestationAnswer;
  const renewal = await requireRenewal(parts, received, request as RenewRequest);
  const introduced = introductionOf(parts, received, { request: renewal.request, spki: renewal.csr.spki });
  if (await isGranted(parts, renewal))
    return await issue(parts, { ...renewal, attestation: undefined, isIntroduction: true }, reply);
  const proven = await parts.store.transaction((tx) => proveIntroduced(parts, tx, { introduced, activated }));
  await issue(parts, { ...renewal, attestation: proven, isIntroduction: true }, reply);
}

/** A renewal whose signer is known, of a device that is no clone. */
interface Renewal {
  readonly device: string;
  readonly request: RenewRequest;
  readonly signing: CertificateRecord;
  readonly csr: Csr;
}

async function requireRenewal(
  parts: EnrolmentParts,
  { device, certificate: signing }: DeviceMessage,
  request: RenewRequest,
): Promise<Renewal> {
  if (signing === undefined) throw new FleetError("signer-not-allowed", "a renewal is signed by a certified key");
  const csr = parseCsr(request.csr);
  await suspendClone(parts, { device, request, key: spkiSha256(csr.spki) });
  return { device, request, signing, csr };
}

async function isGranted({ store }: EnrolmentParts, { device, request, csr }: Renewal): Promise<boolean> {
  const certificatesOfKey = await store.transaction((tx) => tx.certificates.listByKey(spkiSha256(csr.spki)));
  return findGranted({ ...request, device, certificatesOfKey }) !== undefined;
}

async function issue(
  parts: EnrolmentParts,
  renewal: Renewal & { readonly attestation: AttestationRecord | undefined; readonly isIntroduction: boolean },
  reply: Reply,
): Promise<void> {
  const { device, request, signing, csr, attestation, isIntroduction } = renewal;
  const protection = attestation === undefined ? provable(request.protection) : "attested";
  let isNew = false;
  await parts.issuance.toDevice({
    actor: `device:${device}`,
    device,
    slot: request.slot,
    generation: request.generation,
    csr,
    protection,
    tokenSerial: request.tokenSerial,
    ...(attestation && { endorsementKey: attestation.endorsementKeySha256 }),
    profile: signing.profile,
    claimId: "",
    expiresAt: signing.notAfter,
    async judge(tx) {
      await requireCurrent(tx, { device, request, signing });
      isNew = true;
    },
    async commit(tx, certificate) {
      if (isNew && attestation !== undefined) await tx.attestations.put(attestation);
      if (isNew && attestation !== undefined && isIntroduction) await noteProvenTpm(tx, attestation);
      if (isNew) await noteLostAttestation(parts, tx, { device, certificate });
      await reply(tx, issuedBody(parts, certificate));
    },
  });
}

/** The profile allowed it, or there would be no certificate; that it happened is for the audit. */
async function noteLostAttestation(
  { surroundings }: EnrolmentParts,
  tx: Transaction,
  { device, certificate }: { readonly device: string; readonly certificate: CertificateRecord },
): Promise<void> {
  const { slot, generation, serial, protection } = certificate;
  const before = (await tx.certificates.listOf(device, slot)).find((one) => one.provenAt !== undefined);
  if (before?.protection !== "attested" || protection === "attested") return;
  await appendAudit(tx, {
    at: surroundings.clock.now(),
    actor: `device:${device}`,
    action: "attestation.lost",
    target: device,
    outcome: "success",
    details: { serial, slot, generation: String(generation), protection },
  });
}

/** The signer must be the current generation, and the request must know it. */
async function requireCurrent(
  tx: Transaction,
  { device, request, signing }: { device: string; request: RenewRequest; signing: CertificateRecord },
): Promise<void> {
  const certificates = await tx.certificates.listOf(device, request.slot);
  const current = provenGeneration(certificates);
  if (request.slot === signing.slot && signing.generation !== current) {
    throw new FleetError(
      "signer-not-allowed",
      `a renewal is signed by generation ${current}, this one by ${signing.generation}`,
    );
  }
  const previous = certificates.find((one) => one.generation === current && one.provenAt !== undefined);
  if (previous !== undefined && previous.sha256 !== Buffer.from(request.previousCertificateSha256).toString("hex")) {
    throw new FleetError("generation-conflict", `the request names another certificate than generation ${current}`);
  }
}

/** DESIGN.md section 6: after `installed` is reported, a new CSR with another key for that generation is suspicious. */
async function suspendClone(
  parts: EnrolmentParts,
  { device, request, key }: { readonly device: string; readonly request: RenewRequest; readonly key: string },
): Promise<void> {
  const isClone = await parts.store.transaction(async (tx) => {
    const pending = (await tx.certificates.listOf(device, request.slot)).find(
      (one) => one.generation === request.generation && one.state === "issued",
    );
    if (pending === undefined || pending.spkiSha256 === key) return false;
    const report = await tx.reports.find(device);
    if (report === undefined || !isInstalled(report.report, request)) return false;
    await appendAudit(tx, {
      at: parts.surroundings.clock.now(),
      actor: `device:${device}`,
      action: "clone.suspected",
      target: device,
      outcome: "failure",
      details: { why: "another key for a generation that is installed", generation: String(request.generation) },
    });
    return true;
  });
  if (!isClone) return;
  const why = "clone suspected: another key for an installed generation";
  if (await parts.inventory.suspendSuspect(device, why)) {
    throw new FleetError("device-suspended", `device ${device} is suspended: two may hold its key`);
  }
  throw new FleetError("generation-conflict", `device ${device} asks with another key for an installed generation`);
}

function isInstalled(report: string, { slot, generation }: RenewRequest): boolean {
  const { slots } = JSON.parse(report) as {
    readonly slots?: readonly { readonly slot: string; readonly generation: number; readonly journal: string }[];
  };
  return (slots ?? []).some(
    (one) => one.slot === slot && one.generation === generation && ["installed", "proving"].includes(one.journal),
  );
}
