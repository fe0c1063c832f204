import type { Duration, Instant } from "@fleetcert/shared";
import type { AckRecord, CertificateRecord } from "../records.ts";
import type { Store } from "../store-port.ts";
import { everyAuditEntry, everyCertificate, everyDevice } from "./every-row.ts";
import type { ServiceCounts, Share } from "./service-levels.ts";

/**
 * Counts what the service levels are computed from, as far as the store holds it:
 *
 * - valid devices: active ones that have an identity certificate valid now, of all active ones
 * - renewals: certificates of generation 2 and later that were proven, of those proven, given up, or unproven for a day
 * - automated rotations: proven renewals without a person's hand at the device, that is without enrolling it anew
 * - closed intents: of all audited ones; those opened within the last minute are still at work and left out
 * - propagation: from an epoch's publication until the controller had the word of a device that is always online; devices
 *   that have not applied an epoch older than five minutes count as unacknowledged
 *
 * Reads every device, certificate and audit entry once: for a page that a person asks for, not for every scrape.
 */
export async function gatherServiceCounts(
  store: Store,
  { now, issuers }: { readonly now: Instant; readonly issuers: readonly string[] },
): Promise<ServiceCounts> {
  const certificates = await tallyCertificates(store, now);
  const audit = await tallyAudit(store, now);
  const devices = await tallyDevices(store, certificates.holders);
  const propagation = await tallyPropagation(store, { now, issuers, expected: devices.online });
  return {
    validDevices: devices.valid,
    renewals: certificates.renewals,
    automatedRotations: {
      good: Math.max(0, certificates.renewals.good - audit.enrolledAgain),
      all: Math.max(certificates.renewals.good, audit.enrolledAgain),
    },
    closedIntents: audit.closedIntents,
    ...propagation,
  };
}

async function tallyCertificates(store: Store, now: Instant) {
  const holders = new Set<string>();
  const renewals = { good: 0, all: 0 };
  for await (const certificate of everyCertificate(store)) {
    if (certificate.device === "") continue;
    if (certificate.slot === "identity" && isUsable(certificate, now)) holders.add(certificate.device);
    if (certificate.generation < 2) continue;
    const isProven = certificate.provenAt !== undefined;
    if (isProven) renewals.good += 1;
    if (isProven || isFailed(certificate, now)) renewals.all += 1;
  }
  return { holders, renewals };
}

async function tallyDevices(store: Store, holders: ReadonlySet<string>) {
  const valid = { good: 0, all: 0 };
  const online = new Set<string>();
  for await (const { id, state, attributes } of everyDevice(store)) {
    if (state !== "active") continue;
    valid.all += 1;
    if (holders.has(id)) valid.good += 1;
    if (attributes.connectivity === "always" && holders.has(id)) online.add(id);
  }
  return { valid, online };
}

async function tallyAudit(store: Store, now: Instant): Promise<{ closedIntents: Share; enrolledAgain: number }> {
  const open = await store.transaction((tx) => tx.intents.listOpen());
  const atWork = open.filter(({ openedAt }) => now - openedAt < minute).length;
  let intents = 0;
  let enrolments = 0;
  const enrolled = new Set<string>();
  for await (const { outcome, action, target } of everyAuditEntry(store)) {
    if (outcome === "intent") intents += 1;
    if (action !== "device.enrolled" || outcome !== "success") continue;
    enrolments += 1;
    enrolled.add(target);
  }
  return {
    closedIntents: { good: Math.max(0, intents - open.length), all: Math.max(0, intents - atWork) },
    enrolledAgain: enrolments - enrolled.size,
  };
}

async function tallyPropagation(
  store: Store,
  { now, issuers, expected }: { now: Instant; issuers: readonly string[]; expected: ReadonlySet<string> },
): Promise<{ propagation: Duration[]; unacknowledged: number }> {
  const propagation: Duration[] = [];
  let unacknowledged = 0;
  for (const issuer of issuers) {
    await store.transaction(async (tx) => {
      const newest = await tx.epochs.latest(issuer);
      if (newest === undefined) return;
      const acks = new Map((await tx.acks.listOf(issuer)).map((ack) => [ack.device, ack]));
      for (const device of expected) {
        const ack = acks.get(device);
        if (ack !== undefined && isApplied(ack, newest)) {
          propagation.push(Math.max(0, ack.receivedAt - newest.thisUpdate));
        } else if (now - newest.thisUpdate > propagationObjective) unacknowledged += 1;
      }
    });
  }
  return { propagation, unacknowledged };
}

function isApplied(ack: AckRecord, { era, epoch }: { readonly era: number; readonly epoch: number }): boolean {
  return ack.era === era && ack.epoch >= epoch;
}

function isUsable({ state, notBefore, notAfter }: CertificateRecord, now: Instant): boolean {
  return (state === "issued" || state === "proven") && notBefore <= now && now <= notAfter;
}

function isFailed({ state, issuedAt }: CertificateRecord, now: Instant): boolean {
  return state === "abandoned" || (state === "issued" && now - issuedAt > day);
}

const minute = 60_000;
const propagationObjective = 5 * minute;
const day = 86_400_000;
