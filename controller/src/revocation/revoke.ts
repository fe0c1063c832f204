import { FleetError, type Instant } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { CertificateRecord, EpochRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import { planRevocation, requireReason } from "./plan-revocation.ts";
import type { PublicationOptions } from "./publish-epoch.ts";
import { recordRevocation } from "./record-revocation.ts";
import type { RevocationParts, RevocationPlan, RevocationSelection } from "./revocation.ts";
import { countOneMore } from "./revoke-alone.ts";

/** What a revocation did. */
export interface RevocationOutcome {
  readonly plan: RevocationPlan;
  /** The epoch that published it. */
  readonly epoch: number;
  readonly droppedSessions: number;
  /** Milliseconds from the request until the broker refused and had dropped the sessions. */
  readonly blockedAtBroker: number;
}

type Parts = RevocationParts & { readonly publish: (options: PublicationOptions) => Promise<EpochRecord> };

/** Revokes exactly the plan, blocks it at the broker at once, then publishes. */
export async function revoke(
  parts: Parts,
  request: { readonly actor: string; readonly selection: RevocationSelection },
): Promise<RevocationOutcome> {
  const { store, surroundings } = parts;
  const requestedAt = surroundings.clock.now();
  const { plan, refused } = await store.transaction(async (tx) => {
    const plan = await planRevocation(parts, tx, request);
    if (plan.aboveBound) {
      await auditRefusal(tx, { ...request, now: requestedAt });
      return { plan, refused: true };
    }
    await execute(parts, tx, { ...request, plan, now: requestedAt });
    await countOneMore(tx, { actor: request.actor, now: requestedAt });
    return { plan, refused: false };
  });
  if (refused) throw aboveBound(parts);
  return await blockAndPublish(parts, { plan, requestedAt });
}

/** Retires a device and revokes all its certificates; above the bound neither happens. */
export async function retireRevoking(
  parts: Parts,
  { actor, device }: { readonly actor: string; readonly device: string },
): Promise<RevocationOutcome> {
  const { store, surroundings, inventory } = parts;
  const requestedAt = surroundings.clock.now();
  const selection: RevocationSelection = { device, reason: "cessationOfOperation" };
  // The bound is taken in the transaction that looks at it; what follows belongs to the same act (I14).
  const plan = await store.transaction(async (tx) => {
    const plan = await planRevocation(parts, tx, { actor, selection, mayBeEmpty: true });
    if (plan.aboveBound) await auditRefusal(tx, { actor, selection, now: requestedAt });
    else await countOneMore(tx, { actor, now: requestedAt });
    return plan;
  });
  if (plan.aboveBound) throw aboveBound(parts);
  await inventory.retire(actor, device);
  // The order to erase the keys leaves before the session is dropped.
  await parts.flush();
  await store.transaction((tx) =>
    execute(parts, tx, { actor, selection, plan: { ...plan, suspends: false }, now: requestedAt }),
  );
  return await blockAndPublish(parts, { plan, requestedAt });
}

async function execute(
  parts: Parts,
  tx: Transaction,
  act: {
    readonly actor: string;
    readonly selection: RevocationSelection;
    readonly plan: RevocationPlan;
    readonly now: Instant;
  },
): Promise<void> {
  const { actor, selection, plan, now } = act;
  for (const certificate of plan.certificates) {
    await revokeCertificate(tx, { certificate, reason: selection.reason, actor, now });
  }
  for (const id of plan.suspends ? plan.devices : []) {
    const device = await tx.devices.find(id);
    if (device === undefined || device.state === "retired") continue;
    const reason = `revoked: ${selection.reason}`;
    await parts.inventory.publishDesired(tx, { ...device, state: "suspended", stateReason: reason });
    await appendAudit(tx, {
      at: now,
      actor,
      action: "device.suspended",
      target: id,
      outcome: "success",
      details: { reason },
    });
  }
}

/** Marks one certificate revoked and lets it wait for the next epoch. */
async function revokeCertificate(
  tx: Transaction,
  act: {
    readonly certificate: CertificateRecord;
    readonly reason: string;
    readonly actor: string;
    readonly now: Instant;
  },
): Promise<void> {
  const { certificate, reason, actor, now } = act;
  const { serial, device } = certificate;
  await tx.certificates.put({ ...certificate, state: "revoked", revokedAt: now, revocationReason: reason });
  await recordRevocation(tx, certificate, { reason: requireReason(reason), at: now });
  await appendAudit(tx, {
    at: now,
    actor,
    action: "certificate.revoked",
    target: device === "" ? serial : device,
    outcome: "success",
    details: { serial, reason, generation: String(certificate.generation) },
  });
}

async function blockAndPublish(
  parts: Parts,
  { plan, requestedAt }: { readonly plan: RevocationPlan; readonly requestedAt: Instant },
): Promise<RevocationOutcome> {
  const { surroundings, broker } = parts;
  let droppedSessions = 0;
  for (const device of plan.devices) {
    if (plan.suspends) droppedSessions += await broker.dropSessions(device);
    else for (const { sha256 } of plan.certificates) droppedSessions += await broker.dropSessions(device, sha256);
  }
  const blockedAtBroker = surroundings.clock.now() - requestedAt;
  const { epoch } = await parts.publish({ refreshAll: false, request: { requestedAt, blockedAtBroker } });
  return { plan, epoch, droppedSessions, blockedAtBroker };
}

const aboveBound = ({ settings }: Parts): FleetError =>
  new FleetError("second-person-required", "this is above what one person may revoke within 24 hours", {
    hint: `the bound is ${settings.revokeAlone}; wait, or have another person do the rest`,
  });

async function auditRefusal(
  tx: Transaction,
  { actor, selection, now }: { readonly actor: string; readonly selection: RevocationSelection; readonly now: Instant },
): Promise<void> {
  await appendAudit(tx, {
    at: now,
    actor,
    action: "revocation.refused",
    target: selection.device ?? selection.serial ?? "",
    outcome: "failure",
    details: { reason: selection.reason, why: "second-person-required" },
  });
}
