import { FleetError } from "@fleetcert/shared";
import type { Draft, Json, PlanAct, PlanKind } from "../approval/approval.ts";
import { appendAudit } from "../audit/append-audit.ts";
import type { CertificateRecord, DeviceRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import { blockAndPublish, type PublishingParts } from "./block-and-publish.ts";
import { itemsOf, readItems } from "./plan-items.ts";
import { liftHold } from "./record-revocation.ts";
import type { RevocationParts } from "./revocation.ts";
import { findIssued, type Selection, select, selectionJson } from "./selection.ts";
import { suspendDevice } from "./take-away.ts";

/** Suspending a device without touching its certificates. */
export function suspendKind(parts: PublishingParts): PlanKind {
  return {
    name: "suspend",
    async draft(tx, { request }) {
      const { device: id, reason } = request as { readonly device: string; readonly reason: string };
      const { devices } = await select(parts, tx, { device: id });
      for (const device of devices) requireNotRetired(device);
      const items = itemsOf({ devices, certificates: [] });
      const facts = { device: id, reason };
      return { request: facts, budget: "revoke", weight: 1, items, facts, impact: { devices: 1 } };
    },
    async execute(tx, { plan, request, items }) {
      const { reason: why } = request as { readonly reason: string };
      const act = { actor: plan.requestedBy, plan: plan.hash, why, now: parts.surroundings.clock.now() };
      for (const id of readItems(items).devices) {
        const device = await tx.devices.find(id);
        if (device !== undefined) await suspendDevice(parts, tx, { device, ...act });
      }
    },
    async settle({ items, at }) {
      let droppedSessions = 0;
      for (const device of readItems(items).devices) droppedSessions += await parts.broker.dropSessions(device);
      return { droppedSessions, blockedAtBroker: parts.surroundings.clock.now() - at, epoch: undefined };
    },
  };
}

/** What may be given back: a hold only, or a suspended device whatever it lost, which then enrols anew. */
export interface Reinstatement extends Selection {
  readonly onlyHolds: boolean;
}

/** Letting suspended devices and held certificates come back. What is revoked for good stays so. */
export function reinstateKind(parts: PublishingParts): PlanKind {
  return {
    name: "reinstate",
    draft: (tx, { request }) => draftReinstatement(parts, tx, request as unknown as Reinstatement),
    execute: (tx, act) => execute(parts, tx, act),
    async settle({ at }) {
      const waits = await parts.store.transaction((tx) =>
        Promise.all(parts.knownIssuers().map((issuer) => tx.revocations.waitingShards(issuer))),
      );
      if (waits.flat().length > 0) return await blockAndPublish(parts, { sessions: [], at });
      return { droppedSessions: 0, blockedAtBroker: 0, epoch: undefined };
    },
  };
}

async function draftReinstatement(parts: RevocationParts, tx: Transaction, request: Reinstatement): Promise<Draft> {
  const { onlyHolds } = request;
  const selected = await select(parts, tx, request);
  const facts: Json[] = [];
  let holds = 0;
  for (const device of selected.devices) {
    requireNotRetired(device);
    const held = await heldOf(tx, device);
    if (onlyHolds && held.length === 0) throw notOnHold(`device ${device.id}`);
    if (device.state !== "suspended" && held.length === 0) {
      throw new FleetError("conflict", `device ${device.id} is not suspended`);
    }
    holds += held.length;
    facts.push({ id: device.id, why: device.stateReason, held: held.map(({ serial }) => serial).sort() });
  }
  for (const certificate of selected.certificates) {
    if (!isHeld(certificate)) throw notOnHold(`certificate ${certificate.serial}`);
    holds += 1;
    facts.push({ serial: certificate.serial, device: certificate.device });
  }
  const items = itemsOf(selected);
  return {
    request: { ...selectionJson(request), onlyHolds },
    budget: "reinstate",
    weight: items.length,
    items,
    facts,
    impact: { devices: selected.devices.length, certificates: holds },
  };
}

async function execute(parts: RevocationParts, tx: Transaction, { plan, items }: PlanAct): Promise<void> {
  const act = { actor: plan.requestedBy, plan: plan.hash, at: parts.surroundings.clock.now() };
  const { devices, serials } = readItems(items);
  for (const id of devices) {
    const device = await tx.devices.find(id);
    if (device === undefined || device.state === "retired") continue;
    for (const certificate of await heldOf(tx, device)) await release(tx, certificate, act);
    if (device.state !== "suspended") continue;
    await parts.inventory.publishDesired(tx, { ...device, state: "active", stateReason: "" });
    await appendAudit(tx, {
      ...{ at: act.at, actor: act.actor, action: "device.reinstated", target: id, outcome: "success" },
      details: { plan: act.plan, suspendedBecause: device.stateReason },
    });
  }
  for (const serial of serials) {
    const certificate = await findIssued(parts, tx, serial);
    if (certificate !== undefined && isHeld(certificate)) await release(tx, certificate, act);
  }
}

/** The credential is what it was: its dates say what that is. */
async function release(
  tx: Transaction,
  certificate: CertificateRecord,
  { actor, plan, at }: { readonly actor: string; readonly plan: string; readonly at: number },
): Promise<void> {
  const { issuer, serial, device, provenAt, retiredAt } = certificate;
  const state = retiredAt !== undefined ? "retired" : provenAt !== undefined ? "proven" : "issued";
  await liftHold(tx, { issuer, serial, at });
  await tx.certificates.put({ ...certificate, state, revokedAt: undefined, revocationReason: "" });
  await appendAudit(tx, {
    ...{ at, actor, action: "certificate.released", target: device === "" ? serial : device, outcome: "success" },
    details: { serial, plan },
  });
}

async function heldOf(tx: Transaction, { id }: DeviceRecord): Promise<CertificateRecord[]> {
  return (await tx.certificates.listOf(id)).filter(isHeld);
}

const isHeld = ({ state, revocationReason }: CertificateRecord): boolean =>
  state === "revoked" && revocationReason === "certificateHold";

function requireNotRetired(device: DeviceRecord): void {
  if (device.state === "retired") throw new FleetError("device-retired", `device ${device.id} is retired`);
}

const notOnHold = (what: string): FleetError =>
  new FleetError("conflict", `${what} is not on hold`, {
    hint: "only a hold can be taken back; a revoked device gets a new certificate after: fleetcert device reinstate",
  });
