import { claimKeyOf, FleetError, formatClaimString, isDeviceId, Secret, sha256Hex } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import { unknownAttributes } from "../inventory/inventory.ts";
import type { ClaimRecord } from "../records.ts";
import type { Page } from "../store-port.ts";
import type { ClaimRequest, EnrolmentParts } from "./enrolment.ts";

/** Gives a right to enrol; the store keeps only the hash of its secret. */
export async function createClaim(
  parts: EnrolmentParts,
  request: ClaimRequest & { readonly actor: string },
): Promise<{ readonly claim: ClaimRecord; readonly claimString: string }> {
  const { store } = parts;
  requireSensible(request);
  const { claim, secret } = makeClaim(parts, { ...request, reenrols: "" });
  const claimString = claimStringOf(parts, { claim, secret, generation: 0 });
  const refused = await store.transaction(async (tx) => {
    const { maxUses, allowedDevices, profile, attributes } = claim;
    const { actor, validFor } = request;
    const facts = { maxUses, validFor, profile, allowedDevices, attributes: { ...attributes } };
    const refused = await parts.approval.admit(tx, { actor, kind: "claim", budget: "claim", weight: maxUses, facts });
    if (refused !== undefined) return refused;
    await tx.claims.put(claim);
    await appendAudit(tx, {
      at: claim.createdAt,
      actor: request.actor,
      action: "claim.created",
      target: claim.id,
      outcome: "success",
      details: {
        maxUses: String(claim.maxUses),
        expiresAt: new Date(claim.expiresAt).toISOString(),
        profile: claim.profile,
        allowedDevices: String(claim.allowedDevices.length),
      },
    });
    return undefined;
  });
  if (refused !== undefined) throw refused;
  return { claim, claimString };
}

/** A claim that nobody has yet, and its secret. */
export function makeClaim(
  { surroundings }: Pick<EnrolmentParts, "surroundings">,
  request: ClaimRequest & { readonly actor: string; readonly reenrols: string },
): { readonly claim: ClaimRecord; readonly secret: Uint8Array } {
  const now = surroundings.clock.now();
  const secret = surroundings.random.bytes(32);
  const claim: ClaimRecord = {
    id: claimIdOf(surroundings.random.bytes(12)),
    secretSha256: sha256Hex(secret),
    maxUses: request.maxUses,
    uses: 0,
    expiresAt: now + request.validFor,
    revokedAt: undefined,
    allowedDevices: [...new Set(request.allowedDevices ?? [])],
    attributes: { ...unknownAttributes, ...(request.attributes?.connectivity && saidByPerson), ...request.attributes },
    profile: request.profile ?? "device",
    createdAt: now,
    createdBy: request.actor,
    reenrols: request.reenrols,
    proofKey: claimKeyOf(secret).spki,
  };
  return { claim, secret };
}

/** What a person hands to the device; it names the device and generation where it lets one enrol anew. */
export function claimStringOf(
  { trust }: Pick<EnrolmentParts, "trust">,
  {
    claim,
    secret,
    generation,
  }: { readonly claim: ClaimRecord; readonly secret: Uint8Array; readonly generation: number },
): string {
  return formatClaimString({
    claimId: claim.id,
    secret: Secret.of(Buffer.from(secret).toString("base64url")),
    rootSha256: trust.rootSha256(),
    fleet: trust.fleet,
    ...(claim.reenrols !== "" && { reenrolment: { device: claim.reenrols, generation } }),
  });
}

/** Claims in order of id, whatever their state. */
export async function listClaims(parts: EnrolmentParts, page: Page): Promise<ClaimRecord[]> {
  return await parts.store.transaction((tx) => tx.claims.list(page));
}

/** Takes the right back; devices that enrolled with it keep what they have. */
export async function revokeClaim(
  parts: EnrolmentParts,
  { actor, id }: { readonly actor: string; readonly id: string },
): Promise<ClaimRecord> {
  return await parts.store.transaction(async (tx) => {
    const claim = await tx.claims.find(id);
    if (claim === undefined) throw new FleetError("not-found", `there is no claim ${id}`);
    if (claim.revokedAt !== undefined) return claim;
    const now = parts.surroundings.clock.now();
    const revoked = { ...claim, revokedAt: now };
    await tx.claims.put(revoked);
    const uses = String(claim.uses);
    await appendAudit(tx, {
      at: now,
      actor,
      action: "claim.revoked",
      target: id,
      outcome: "success",
      details: { uses },
    });
    return revoked;
  });
}

/** Throws `request-invalid` unless a claim may be so. */
export function requireSensible({ maxUses, validFor, allowedDevices = [] }: ClaimRequest): void {
  const refuse = (message: string): never => {
    throw new FleetError("request-invalid", message);
  };
  if (!Number.isSafeInteger(maxUses) || maxUses < 1 || maxUses > 1_000_000) refuse("a claim has 1 to 1,000,000 uses");
  if (!Number.isFinite(validFor) || validFor < 1000 || validFor > 366 * 86_400_000) {
    refuse("a claim is valid for a second to a year");
  }
  if (allowedDevices.length > 10_000) refuse("a claim names at most 10,000 devices");
  const wrong = allowedDevices.find((id) => !isDeviceId(id));
  if (wrong !== undefined) refuse(`"${wrong.slice(0, 80)}" is no device id`);
}

/** A class that a claim names is a person's word; without one it follows from contacts. */
const saidByPerson = { connectivityBy: "set" } as const;
/** 12 characters of a-z and 0-9, without those that look alike. */
const claimIdOf = (bytes: Uint8Array): string =>
  Array.from(bytes, (octet) => claimAlphabet[octet % claimAlphabet.length]).join("");

const claimAlphabet = "abcdefghjkmnpqrstuvwxyz23456789";
