import { type Duration, FleetError } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import { reenrolmentSetting } from "../inventory/inventory.ts";
import { highestGeneration } from "../policy/policy.ts";
import type { ClaimRecord, DeviceRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import { claimStringOf, makeClaim, requireSensible } from "./claims.ts";
import type { EnrolmentParts } from "./enrolment.ts";

/** What a permission is handed out as; the claim string is given this one time. */
export interface Reenrolment {
  readonly claim: ClaimRecord;
  readonly claimString: string;
  /** The generation the device begins again with: one above all it ever had. */
  readonly generation: number;
}

/**
 * A person's act (I7): one device that has or had a credential may enrol once more, whatever became of its keys. An earlier
 * permission ends. Throws `not-found`, `device-suspended`, `device-retired`, `conflict`, `request-invalid`,
 * `second-person-required`.
 */
export async function permitReenrolment(
  parts: EnrolmentParts,
  request: { readonly actor: string; readonly device: string; readonly validFor: Duration },
): Promise<Reenrolment> {
  const { store, surroundings, approval } = parts;
  const { actor, device: id, validFor } = request;
  requireSensible({ maxUses: 1, validFor });
  const now = surroundings.clock.now();
  const made = await store.transaction(async (tx) => {
    const device = await requireActive(tx, id);
    const certificates = await tx.certificates.listOf(id, "identity");
    const [newest] = certificates;
    if (newest === undefined) {
      throw new FleetError("conflict", `device ${id} never had a credential`, { hint: "fleetcert claim create" });
    }
    const { profile } = newest;
    const { attributes } = device;
    const { claim, secret } = makeClaim(parts, {
      ...{ actor, maxUses: 1, validFor, profile, attributes },
      allowedDevices: [id],
      reenrols: id,
    });
    const facts = { maxUses: 1, validFor, profile, allowedDevices: [id], attributes: { ...attributes } };
    const refused = await approval.admit(tx, { actor, kind: "claim", budget: "claim", weight: 1, facts });
    if (refused !== undefined) return { refused };
    await endEarlier(tx, { actor, device: id, now });
    await tx.claims.put(claim);
    await tx.settings.put(reenrolmentSetting(id), claim.id);
    const generation = highestGeneration(certificates) + 1;
    await appendAudit(tx, {
      at: now,
      actor,
      action: "reenrolment.permitted",
      target: id,
      outcome: "success",
      details: {
        claimId: claim.id,
        generation: String(generation),
        expiresAt: new Date(claim.expiresAt).toISOString(),
      },
    });
    return { claim, secret, generation };
  });
  if (made.refused !== undefined) throw made.refused;
  const { claim, secret, generation } = made;
  return { claim, generation, claimString: claimStringOf(parts, { claim, secret, generation }) };
}

async function requireActive(tx: Transaction, id: string): Promise<DeviceRecord> {
  const device = await tx.devices.find(id);
  if (device === undefined) throw new FleetError("not-found", `there is no device ${id}`);
  if (device.state === "suspended") {
    throw new FleetError("device-suspended", `device ${id} is suspended (${device.stateReason})`, {
      hint: `re-approve it first: fleetcert device reinstate ${id}`,
    });
  }
  if (device.state === "retired") {
    throw new FleetError("device-retired", `device ${id} is retired for good`, {
      hint: "let the machine enrol as another device: fleetcert claim create",
    });
  }
  return device;
}

async function endEarlier(
  tx: Transaction,
  { actor, device, now }: { readonly actor: string; readonly device: string; readonly now: number },
): Promise<void> {
  const id = await tx.settings.find(reenrolmentSetting(device));
  const earlier = id === undefined || id === "" ? undefined : await tx.claims.find(id);
  if (earlier === undefined || earlier.revokedAt !== undefined || earlier.uses >= earlier.maxUses) return;
  await tx.claims.put({ ...earlier, revokedAt: now });
  await appendAudit(tx, {
    ...{ at: now, actor, action: "claim.revoked", target: earlier.id, outcome: "success" },
    details: { uses: "0", why: "another permission for the device" },
  });
}
