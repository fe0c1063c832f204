import type { Duration } from "@fleetcert/shared";
import type { Approval } from "../approval/approval.ts";
import type { Attestation } from "../attestation/attestation.ts";
import type { Inventory } from "../inventory/inventory.ts";
import type { Issuance } from "../issuance/issuance.ts";
import type { CertificateAuthority, DeviceMessage, MessageHandlers, RandomSource, Surroundings } from "../ports.ts";
import type { ClaimRecord, DeviceAttributes } from "../records.ts";
import type { Store } from "../store-port.ts";
import { activate } from "./activate.ts";
import { createClaim, listClaims, revokeClaim } from "./claims.ts";
import { attest, enrol } from "./enrol.ts";
import { noteOverdueProofs } from "./note-overdue-proofs.ts";
import { permitReenrolment, type Reenrolment } from "./permit-reenrolment.ts";
import { attestRenewal, renew } from "./renew.ts";

/** What enrolment works with. */
export interface EnrolmentParts {
  readonly store: Store;
  readonly surroundings: Surroundings & { readonly random: RandomSource };
  readonly issuance: Issuance;
  readonly inventory: Inventory;
  readonly attestation: Attestation;
  readonly authority: CertificateAuthority;
  readonly approval: Pick<Approval, "admit">;
  readonly trust: EnrolmentTrust;
  /** How long the previous generation stays usable after the proof. */
  readonly graceAfterProof: Duration;
  /** How long after notAfter a device may still renew by proving its old key. */
  readonly renewAfterExpiry: Duration;
  /** How long a certificate may wait for its proof before that is noted. */
  readonly proveWithin: Duration;
}

/** What of the trust bundle travels with a certificate or a claim. */
export interface EnrolmentTrust {
  readonly fleet: string;
  /** SHA-256 of the certificate of the root that is to be pinned now, lower-case hex. */
  rootSha256(): string;
  walk(): readonly Uint8Array[];
}

/** A claim as a person asks for it. */
export interface ClaimRequest {
  readonly maxUses: number;
  readonly validFor: Duration;
  readonly profile?: string;
  readonly allowedDevices?: readonly string[];
  readonly attributes?: Partial<DeviceAttributes>;
}

/** How devices get certificates: first by a claim, later by their own key. */
export interface Enrolment {
  /** The claim string is given this one time. Throws `request-invalid`, `second-person-required`. */
  createClaim(
    actor: string,
    request: ClaimRequest,
  ): Promise<{ readonly claim: ClaimRecord; readonly claimString: string }>;
  /** Lets one device that is known enrol anew, once; see {@link permitReenrolment}. */
  permitReenrolment(actor: string, device: string, validFor: Duration): Promise<Reenrolment>;
  listClaims(page: { readonly after?: string; readonly limit: number }): Promise<ClaimRecord[]>;
  /** Throws `not-found`. Revoking again changes nothing. */
  revokeClaim(actor: string, id: string): Promise<ClaimRecord>;
  /** Notes certificates whose proof stays away: audit, notice. Resolves with how many were noted now. */
  noteOverdueProofs(): Promise<number>;
  readonly handlers: MessageHandlers;
}

/** Opens enrolment. */
export function openEnrolment(parts: EnrolmentParts): Enrolment {
  return {
    createClaim: (actor, request) => createClaim(parts, { actor, ...request }),
    permitReenrolment: (actor, device, validFor) => permitReenrolment(parts, { actor, device, validFor }),
    listClaims: (page) => listClaims(parts, page),
    revokeClaim: (actor, id) => revokeClaim(parts, { actor, id }),
    noteOverdueProofs: () => noteOverdueProofs(parts),
    handlers: {
      enrol: (received, reply) => enrol(parts, received, reply),
      attest: (received, reply) => (isOfRenewal(received) ? attestRenewal : attest)(parts, received, reply),
      renew: (received, reply) => renew(parts, received, reply),
      activated: (received, reply) => activate(parts, received, reply),
    },
  };
}

/** Whether the second leg is one of a renewal. */
function isOfRenewal({ message: { body } }: DeviceMessage): boolean {
  return body.type === "attestation" && "previousCertificateSha256" in body.request;
}
