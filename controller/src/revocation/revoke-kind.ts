import { FleetError } from "@fleetcert/shared";
import type { Draft, Json, PlanAct, PlanKind } from "../approval/approval.ts";
import type { CertificateRecord, DeviceRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import { blockAndPublish, type EndedSession, type PublishingParts } from "./block-and-publish.ts";
import { type Impact, impactOf } from "./impact.ts";
import { itemsOf, readItems } from "./plan-items.ts";
import type { RevocationParts, RevocationSelection } from "./revocation.ts";
import { findIssued, requireReason, type Selected, select, selectionJson } from "./selection.ts";
import { isLeftToRevoke, revokeCertificate, suspendDevice } from "./take-away.ts";

/** What a revocation would take away; nothing is changed by asking. */
export interface RevocationDetail {
  readonly devices: readonly string[];
  readonly certificates: readonly CertificateRecord[];
  /** Whether devices are blocked until a person re-approves them (I7). */
  readonly suspends: boolean;
  readonly impact: Impact;
}

/** Taking certificates away for good, or on hold when that is the reason. */
export function revokeKind(parts: PublishingParts): PlanKind {
  return {
    name: "revoke",
    draft: (tx, { request }) => draftRevocation(parts, tx, request as unknown as RevocationSelection),
    execute: (tx, act) => execute(parts, tx, act),
    settle: async (act) => blockAndPublish(parts, { sessions: await endedSessions(parts, act), at: act.at }),
  };
}

/** Retiring a device for good: its keys are erased on its next contact, its certificates revoked, its history kept. */
export function retireKind(parts: PublishingParts): PlanKind {
  const reason = "cessationOfOperation";
  return {
    name: "retire",
    async draft(tx, { request }) {
      const { device } = request as { readonly device: string };
      const selected = await select(parts, tx, { device });
      const draft = await draftSelected(parts, tx, { selected, reason, mayBeEmpty: true });
      return { ...draft, request: { device }, items: [`device:${device}`], weight: 1 };
    },
    async execute(tx, { plan, items }) {
      for (const id of readItems(items).devices) {
        const device = await tx.devices.find(id);
        if (device === undefined) continue;
        const now = parts.surroundings.clock.now();
        const act = { actor: plan.requestedBy, plan: plan.hash, reason, now };
        await parts.inventory.retire(tx, { actor: act.actor, device });
        for (const certificate of await leftOf(tx, device, reason)) await revokeCertificate(tx, certificate, act);
      }
    },
    async settle({ items, at }) {
      // The order to erase the keys leaves before the session is dropped.
      await parts.flush();
      return await blockAndPublish(parts, { sessions: readItems(items).devices.map((device) => ({ device })), at });
    },
  };
}

async function draftRevocation(parts: RevocationParts, tx: Transaction, request: RevocationSelection): Promise<Draft> {
  const reason = requireReason(request.reason);
  const { invalidityDate } = request;
  const selected = await select(parts, tx, request);
  const draft = await draftSelected(parts, tx, { selected, reason, mayBeEmpty: false });
  const told = invalidityDate === undefined ? {} : { invalidityDate };
  return { ...draft, request: { ...selectionJson(request), reason, ...told } };
}

async function draftSelected(
  parts: RevocationParts,
  tx: Transaction,
  asked: { readonly selected: Selected; readonly reason: string; readonly mayBeEmpty: boolean },
): Promise<Draft> {
  const { selected, reason, mayBeEmpty } = asked;
  const certificates: CertificateRecord[] = [];
  const devices: DeviceRecord[] = [];
  for (const device of selected.devices) {
    const left = await leftOf(tx, device, reason);
    if (left.length === 0 && device.state !== "active") continue;
    devices.push(device);
    certificates.push(...left);
  }
  const single = selected.certificates.filter((one) => isLeftToRevoke(one, reason));
  const items = itemsOf({ devices, certificates: single });
  if (items.length === 0 && !mayBeEmpty) {
    throw new FleetError("conflict", "there is nothing left to revoke", { hint: "see fleetcert cert list" });
  }
  const owners = await devicesOf(tx, single);
  const all = [...devices, ...owners.filter(({ id }) => !devices.some((device) => device.id === id))];
  // DESIGN.md section 7.1: a compromised key suspends the device, whatever the selection was.
  const suspended = reason === "keyCompromise" ? all.length : devices.length;
  const chosen = [...certificates, ...single];
  const now = parts.surroundings.clock.now();
  const impact = await impactOf(parts, tx, { devices: all, certificates: chosen, suspended, reason, now });
  const detail: RevocationDetail = {
    devices: all.map(({ id }) => id),
    certificates: chosen,
    suspends: suspended > 0,
    impact,
  };
  return {
    request: {},
    budget: "revoke",
    weight: items.length,
    items,
    facts: { reason, devices: all.map(deviceFact), certificates: single.map(certificateFact) },
    impact: impact as unknown as Json,
    detail,
  };
}

/** What a person approves about a device. Its renewals are left out: they belong to it, and it must not stop its own plan. */
function deviceFact({ id, attributes }: DeviceRecord): Json {
  const { site, owner, environment, criticality } = attributes;
  return { id, site, owner, environment, criticality };
}

function certificateFact({ serial, device, slot, revocationReason }: CertificateRecord): Json {
  return { serial, device, slot, revocationReason };
}

async function leftOf(tx: Transaction, { id }: DeviceRecord, reason: string): Promise<CertificateRecord[]> {
  return (await tx.certificates.listOf(id)).filter((certificate) => isLeftToRevoke(certificate, reason));
}

async function devicesOf(tx: Transaction, certificates: readonly CertificateRecord[]): Promise<DeviceRecord[]> {
  const ids = new Set(certificates.map(({ device }) => device).filter((device) => device !== ""));
  const found = await Promise.all([...ids].map((id) => tx.devices.find(id)));
  return found.filter((device) => device !== undefined);
}

async function execute(parts: RevocationParts, tx: Transaction, act: PlanAct): Promise<void> {
  const { reason, invalidityDate } = act.request as unknown as RevocationSelection;
  const now = parts.surroundings.clock.now();
  const taking = { actor: act.plan.requestedBy, plan: act.plan.hash, reason, invalidityDate, now };
  const why = reason === "certificateHold" ? "on hold" : `revoked: ${reason}`;
  const { devices, serials } = readItems(act.items);
  const suspended = new Set(devices);
  for (const id of devices) {
    const device = await tx.devices.find(id);
    if (device === undefined) continue;
    for (const certificate of await leftOf(tx, device, reason)) await revokeCertificate(tx, certificate, taking);
  }
  for (const serial of serials) {
    const certificate = await findIssued(parts, tx, serial);
    if (certificate === undefined || !isLeftToRevoke(certificate, reason)) continue;
    await revokeCertificate(tx, certificate, taking);
    if (reason === "keyCompromise" && certificate.device !== "") suspended.add(certificate.device);
  }
  for (const id of suspended) {
    const device = await tx.devices.find(id);
    if (device !== undefined) await suspendDevice(parts, tx, { device, why, ...taking });
  }
}

async function endedSessions(parts: RevocationParts, act: PlanAct): Promise<EndedSession[]> {
  const { reason } = act.request as unknown as RevocationSelection;
  const { devices, serials } = readItems(act.items);
  const single = await parts.store.transaction(async (tx) => {
    const found: CertificateRecord[] = [];
    for (const serial of serials) {
      const certificate = await findIssued(parts, tx, serial);
      if (certificate !== undefined && certificate.device !== "") found.push(certificate);
    }
    return found;
  });
  return [
    ...devices.map((device) => ({ device })),
    ...single.map(({ device, sha256 }) =>
      reason === "keyCompromise" ? { device } : { device, certificateSha256: sha256 },
    ),
  ];
}
