import { type AttestationAnswer, type Body, type BodyOf, bootstrapClientId, type EnrolRequest } from "@fleetcert/proto";
import { type Csr, DeviceId, FleetError, type Protection, parseCsr, spkiSha256 } from "@fleetcert/shared";
import type { TpmRequest } from "../attestation/attestation.ts";
import { appendAudit } from "../audit/append-audit.ts";
import { findGranted, judgeClaim, requireNoViolation } from "../policy/policy.ts";
import type { DeviceMessage, MessageSource } from "../ports.ts";
import type { AttestationRecord, ClaimRecord, DeviceAttributes, DeviceRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import type { EnrolmentParts } from "./enrolment.ts";
import { issuedBody } from "./issued-body.ts";

type Reply = (tx: Transaction, body: Body) => Promise<void>;

/**
 * Enrols a device by its claim: use counted, device registered and certificate issued together, or nothing of it.
 * A claim that is spent, expired or revoked meanwhile still gives a key the certificate it has got under it.
 *
 * A key in a TPM is answered with a credential that only this TPM can read; the certificate comes for {@link attest}.
 */
export async function enrol(parts: EnrolmentParts, received: DeviceMessage, reply: Reply): Promise<void> {
  const entry = requireEntry(received, received.message.body as BodyOf<"enrol">);
  requireOneTrip(parts, entry);
  const tpm = tpmRequestOf(parts, entry);
  if (tpm === undefined || (await isGranted(parts, entry))) return await issue(parts, entry, reply);
  await parts.store.transaction(async (tx) => {
    await requireClaim(parts, tx, entry);
    const credential = await parts.attestation.challenge(tx, tpm);
    await reply(tx, { type: "credential", ...credential, trustBundles: parts.trust.walk() });
  });
}

/** The second leg of an enrolment with a TPM: the same request again, with what the credential held. */
export async function attest(parts: EnrolmentParts, received: DeviceMessage, reply: Reply): Promise<void> {
  const { request, activated } = received.message.body as AttestationAnswer;
  const entry = requireEntry(received, request as EnrolRequest);
  const tpm = tpmRequestOf(parts, entry);
  if (tpm === undefined) throw new FleetError("message-invalid", "no credential was asked for by this request");
  await issue(parts, entry, reply, (tx) => parts.attestation.prove(tx, tpm, activated));
}

/** An enrolment whose claim, signer and session belong together. */
interface Entry {
  readonly device: string;
  readonly claimId: string;
  readonly request: EnrolRequest;
  readonly csr: Csr;
  /** Who brought it; undefined over a session. */
  readonly operator: string | undefined;
}

function requireEntry({ device, peer, signer }: DeviceMessage, request: EnrolRequest): Entry {
  const claimId = claimOf(peer);
  if (claimId === undefined) {
    throw new FleetError(
      "signer-not-allowed",
      "an enrolment comes with a claim, over the bootstrap listener or carried",
    );
  }
  const csr = parseCsr(request.csr);
  const key = spkiSha256(csr.spki);
  if (key !== signer || (peer.type === "bootstrap" && bootstrapClientId(key) !== peer.clientId)) {
    throw new FleetError("signer-not-allowed", "the request is not signed by the key it asks a certificate for");
  }
  return { device, claimId, request, csr, operator: peer.type === "courier" ? peer.operator : undefined };
}

/** The claim whose right was proven: by the secret of the session, or by a signature of its key. */
function claimOf(peer: MessageSource): string | undefined {
  if (peer.type === "courier") return peer.claimId;
  return peer.type === "bootstrap" && peer.by.type === "claim" ? peer.by.claimId : undefined;
}

/** A TPM proves itself by an answer to a credential made for it: a second trip that a first enrolment by courier does not make. */
function requireOneTrip({ attestation }: EnrolmentParts, { request, operator }: Entry): void {
  if (operator === undefined || request.attested === undefined || !attestation.isConfigured) return;
  throw new FleetError("attestation-required", "a TPM is proven in two trips, which an enrolment by courier is not", {
    hint: "enrol it once where it has a network, or set keys.attest: never on it: then its key counts as `token`",
  });
}

/** What is to be proven; undefined for keys outside of TPMs, and where no TPM may come in. */
function tpmRequestOf(
  { attestation }: EnrolmentParts,
  { device, claimId, request, csr }: Entry,
): TpmRequest | undefined {
  if (request.attested === undefined || !attestation.isConfigured) return undefined;
  const { slot, generation, attested } = request;
  return { device: DeviceId.parse(device), slot, generation, spki: csr.spki, claimId, ...attested };
}

async function isGranted({ store }: EnrolmentParts, { device, request, csr }: Entry): Promise<boolean> {
  const certificatesOfKey = await store.transaction((tx) => tx.certificates.listByKey(spkiSha256(csr.spki)));
  return findGranted({ ...request, device, certificatesOfKey }) !== undefined;
}

async function issue(
  parts: EnrolmentParts,
  entry: Entry,
  reply: Reply,
  prove?: (tx: Transaction) => Promise<AttestationRecord>,
): Promise<void> {
  const { device, claimId, request, csr } = entry;
  const { slot, generation, tokenSerial } = request;
  const { claim, attestation } = await parts.store.transaction(async (tx) => ({
    claim: await tx.claims.find(claimId),
    attestation: await prove?.(tx),
  }));
  const profile = claim?.profile ?? "device";
  const isReenrolment = claim?.reenrols === device;
  const protection = attestation === undefined ? provable(request.protection) : "attested";
  await parts.issuance.toDevice({
    actor: `device:${device}`,
    ...{ device, slot, generation, csr, protection, tokenSerial, profile, claimId, isReenrolment },
    ...(attestation && { endorsementKey: attestation.endorsementKeySha256 }),
    judge: (tx) => requireClaim(parts, tx, entry),
    async commit(tx, certificate) {
      if (!isReenrolment) await requireSameClaim(tx, entry);
      await register(parts, tx, { ...entry, protection, attestation, isReenrolment });
      await reply(tx, issuedBody(parts, certificate));
    },
  });
}

async function requireClaim(
  { surroundings }: EnrolmentParts,
  tx: Transaction,
  { device, claimId, request: { slot, generation } }: Entry,
): Promise<void> {
  requireNoViolation(
    judgeClaim({
      ...{ device, slot, generation, now: surroundings.clock.now() },
      claim: await tx.claims.find(claimId),
      deviceCertificates: await tx.certificates.listOf(device),
    }),
  );
}

/** A certificate is given again only to whoever holds the claim it was issued under. */
async function requireSameClaim(tx: Transaction, { device: id, claimId }: Entry): Promise<void> {
  const device = await tx.devices.find(id);
  if (device === undefined || device.claimId === claimId) return;
  throw new FleetError("device-exists", `device ${id} is registered under another claim`);
}

async function register(
  parts: EnrolmentParts,
  tx: Transaction,
  {
    device: id,
    claimId,
    request,
    operator,
    protection,
    attestation,
    isReenrolment,
  }: Entry & {
    readonly protection: Protection;
    readonly attestation: AttestationRecord | undefined;
    readonly isReenrolment: boolean;
  },
): Promise<void> {
  const known = await tx.devices.find(id);
  if (known !== undefined && (known.claimId === claimId || !isReenrolment)) return;
  const claim = (await tx.claims.find(claimId)) as ClaimRecord;
  const now = parts.surroundings.clock.now();
  const { agentVersion } = request;
  const device: DeviceRecord = known
    ? { ...known, claimId, agentVersion, lastSeenAt: now }
    : {
        id,
        state: "active",
        stateReason: "",
        attributes: attributesOf(claim, operator),
        createdAt: now,
        lastSeenAt: now,
        desiredVersion: 0,
        agentVersion,
        clockOffset: 0,
        claimId,
      };
  await parts.inventory.publishDesired(tx, device);
  if (attestation !== undefined) await tx.attestations.put(attestation);
  await appendAudit(tx, {
    at: now,
    actor: `device:${id}`,
    action: known === undefined ? "device.enrolled" : "device.reenrolled",
    target: id,
    outcome: "success",
    details: {
      claimId,
      protection,
      agentVersion,
      generation: String(request.generation),
      ...(operator !== undefined && { via: "courier", operator }),
      ...groundOf(request, attestation),
    },
  });
}

/** A device that a courier brought in has no network as far as anybody knows, unless the claim says otherwise. */
function attributesOf({ attributes }: ClaimRecord, operator: string | undefined): DeviceAttributes {
  if (operator === undefined || attributes.connectivityBy === "set") return attributes;
  return { ...attributes, connectivity: "courier" };
}

/** On what ground a key counts as attested; a TPM nobody asked to prove itself is no silent matter. */
function groundOf({ attested }: EnrolRequest, attestation: AttestationRecord | undefined) {
  if (attestation === undefined) return attested === undefined ? {} : { attestation: "not configured" };
  const { endorsementKeySha256: endorsementKey, ground, manufacturer, model, firmware } = attestation;
  return { attestation: ground, endorsementKey, manufacturer, model, firmware };
}

/** `attested` is proven by attestation, never taken from a device's word. */
export const provable = (claimed: Protection): Protection => (claimed === "attested" ? "token" : claimed);
