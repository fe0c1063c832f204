import { type Body, bootstrapClientId, type EnrolRequest } from "@fleetcert/proto";
import { FleetError, type Protection, parseCsr, spkiSha256 } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import { judgeClaim, requireNoViolation } from "../policy/policy.ts";
import type { DeviceMessage } from "../ports.ts";
import type { ClaimRecord, DeviceRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import type { EnrolmentParts } from "./enrolment.ts";
import { issuedBody } from "./issued-body.ts";

type Reply = (tx: Transaction, body: Body) => Promise<void>;

/**
 * Enrols a device by its claim: use counted, device registered and certificate issued together, or nothing of it.
 * A claim that is spent, expired or revoked meanwhile still gives a key the certificate it has got under it.
 */
export async function enrol(parts: EnrolmentParts, received: DeviceMessage, reply: Reply): Promise<void> {
  const request = received.message.body as EnrolRequest;
  const { device, peer } = received;
  if (peer.type !== "bootstrap" || peer.by.type !== "claim") {
    throw new FleetError("signer-not-allowed", "an enrolment comes over the bootstrap listener with a claim");
  }
  const { claimId } = peer.by;
  const csr = parseCsr(request.csr);
  const key = spkiSha256(csr.spki);
  if (key !== received.signer || bootstrapClientId(key) !== peer.clientId) {
    throw new FleetError("signer-not-allowed", "the request is not signed by the key it asks a certificate for");
  }
  await parts.issuance.toDevice({
    actor: `device:${device}`,
    device,
    slot: request.slot,
    generation: request.generation,
    csr,
    protection: provable(request.protection),
    tokenSerial: request.tokenSerial,
    profile: (await parts.store.transaction((tx) => tx.claims.find(claimId)))?.profile ?? "device",
    claimId,
    async judge(tx) {
      requireNoViolation(
        judgeClaim({
          now: parts.surroundings.clock.now(),
          device,
          claim: await tx.claims.find(claimId),
          generation: request.generation,
          slot: request.slot,
          deviceCertificates: await tx.certificates.listOf(device),
        }),
      );
    },
    async commit(tx, certificate) {
      await requireSameClaim(tx, { device, claimId });
      await register(parts, tx, { device, claimId, request });
      await reply(tx, issuedBody(parts, certificate));
    },
  });
}

/** A certificate is given again only to whoever holds the claim it was issued under. */
async function requireSameClaim(
  tx: Transaction,
  { device: id, claimId }: { readonly device: string; readonly claimId: string },
): Promise<void> {
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
  }: { readonly device: string; readonly claimId: string; readonly request: EnrolRequest },
): Promise<void> {
  const known = await tx.devices.find(id);
  if (known !== undefined) return;
  const claim = (await tx.claims.find(claimId)) as ClaimRecord;
  const now = parts.surroundings.clock.now();
  const device: DeviceRecord = {
    id,
    state: "active",
    stateReason: "",
    attributes: claim.attributes,
    createdAt: now,
    lastSeenAt: now,
    desiredVersion: 0,
    wantedGeneration: 0,
    windowStart: 0,
    windowEnd: 0,
    agentVersion: request.agentVersion,
    clockOffset: 0,
    claimId,
  };
  await parts.inventory.publishDesired(tx, device);
  await appendAudit(tx, {
    at: now,
    actor: `device:${id}`,
    action: "device.enrolled",
    target: id,
    outcome: "success",
    details: { claimId, protection: request.protection, agentVersion: request.agentVersion },
  });
}

/** `attested` is proven by attestation, never taken from a device's word. */
export const provable = (claimed: Protection): Protection => (claimed === "attested" ? "token" : claimed);
