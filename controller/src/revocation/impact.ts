import { encodeSnapshot, encodeTbsCrl, IndexSet, type Instant, Serial } from "@fleetcert/shared";
import type { CertificateRecord, DeviceRecord, ShardRecord } from "../records.ts";
import type { RevocationPlace, Transaction } from "../store-port.ts";
import type { RevocationParts } from "./revocation.ts";
import { requireReason } from "./selection.ts";

/** What a revocation would do to the fleet. Counts stand by name. */
export interface Impact {
  readonly devices: number;
  readonly certificates: number;
  readonly sites: Counts;
  readonly owners: Counts;
  readonly environments: Counts;
  readonly criticality: Counts;
  readonly connectivity: Counts;
  /** Certificates of service slots. */
  readonly services: Counts;
  /** Devices without a live session, and their share of the devices in percent. */
  readonly offline: number;
  readonly offlinePercent: number;
  /** Who could no longer get in: devices, operators of the API, parts of the controller itself. */
  readonly lockedOut: {
    readonly devices: number;
    readonly operators: readonly string[];
    readonly controller: readonly string[];
  };
  /** Octets that the lists and the snapshots of the issuer grow by. */
  readonly crlBytes: number;
  readonly snapshotBytes: number;
}

/** How many by name. */
export type Counts = Readonly<Record<string, number>>;

/** Works the blast radius out. */
export async function impactOf(
  parts: RevocationParts,
  tx: Transaction,
  act: {
    readonly devices: readonly DeviceRecord[];
    readonly certificates: readonly CertificateRecord[];
    readonly suspended: number;
    readonly reason: string;
    readonly now: Instant;
  },
): Promise<Impact> {
  const { devices, certificates, suspended, reason, now } = act;
  const connected = parts.inventory.connected();
  const offline = devices.filter(({ id }) => !connected.has(id)).length;
  const own = certificates.filter(({ device }) => device === "");
  const operators: string[] = [];
  const controller: string[] = [];
  for (const { sha256, profile, serial } of own) {
    const operator = await tx.operators.findByCertificate(sha256);
    if (operator === undefined) controller.push(`${profile} ${serial}`);
    else operators.push(operator.name);
  }
  // A hold that becomes final is on the lists already.
  const fresh = certificates.filter(({ revokedAt }) => revokedAt === undefined);
  return {
    devices: devices.length,
    certificates: certificates.length,
    sites: count(devices, ({ attributes }) => attributes.site),
    owners: count(devices, ({ attributes }) => attributes.owner),
    environments: count(devices, ({ attributes }) => attributes.environment),
    criticality: count(devices, ({ attributes }) => attributes.criticality),
    connectivity: count(devices, ({ attributes }) => attributes.connectivity),
    services: count(
      certificates.filter(({ slot, device }) => device !== "" && slot !== "identity"),
      ({ slot }) => slot,
    ),
    offline,
    offlinePercent: devices.length === 0 ? 0 : Math.round((100 * offline) / devices.length),
    lockedOut: { devices: suspended, operators, controller },
    crlBytes: crlGrowth(fresh, { reason, now }),
    snapshotBytes: await snapshotGrowth(tx, fresh),
  };
}

function count<T>(things: readonly T[], nameOf: (thing: T) => string): Counts {
  const counts = new Map<string, number>();
  for (const name of things.map(nameOf)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The length of the entries alone: a list with them less one without. */
function crlGrowth(
  certificates: readonly CertificateRecord[],
  { reason, now }: { readonly reason: string; readonly now: Instant },
): number {
  const length = (entries: readonly CertificateRecord[]): number =>
    encodeTbsCrl({
      issuer: new Uint8Array(),
      authorityKeyId: new Uint8Array(),
      thisUpdate: now,
      nextUpdate: now + 1000,
      crlNumber: 1,
      entries: entries.map(({ serial }) => ({
        serial: Serial.parse(serial),
        revokedAt: now,
        reason: requireReason(reason),
      })),
      signatureAlgorithmOf: "P-256",
    }).length;
  return length(certificates) - length([]);
}

async function snapshotGrowth(tx: Transaction, certificates: readonly CertificateRecord[]): Promise<number> {
  const byShard = Map.groupBy(certificates, ({ issuer, shard }) => `${issuer}/${shard}`);
  let growth = 0;
  for (const [first, ...others] of byShard.values()) {
    if (first === undefined) continue;
    const shard = await tx.shards.find(first.issuer, first.shard);
    if (shard === undefined) continue;
    const revoked = await revokedIn(tx, shard);
    const before = encodeSnapshot(revoked).length;
    for (const { index } of [first, ...others]) if (index < revoked.size) revoked.add(index);
    growth += encodeSnapshot(revoked).length - before;
  }
  return growth;
}

async function revokedIn(tx: Transaction, { issuer, shard, coveredTo }: ShardRecord): Promise<IndexSet> {
  const revoked = new IndexSet(coveredTo);
  for (let after: RevocationPlace | undefined; ; ) {
    after = await tx.revocations.walk({ issuer, shard, after, limit: 4096 }, ({ index, liftedAt }) => {
      if (liftedAt === undefined && index < coveredTo) revoked.add(index);
    });
    if (after === undefined) return revoked;
  }
}
