import { type Duration, FleetError, type Instant } from "@fleetcert/shared";
import type { ConnectivityClass } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import { type Measured, measuredEpochs, readMeasured } from "./propagation.ts";

/** How far an epoch that revoked something has come. */
export interface Propagation {
  readonly issuer: string;
  readonly epoch: number;
  readonly requestedAt: Instant;
  /** Milliseconds from the request until the broker refused and had dropped the sessions. */
  readonly blockedAtBroker: Duration;
  /** Milliseconds until lists and head were signed and stored. */
  readonly publishedAfter: Duration | undefined;
  /** Devices that were active when it was published. */
  readonly expected: number;
  readonly acknowledged: number;
  /** Milliseconds from the request to the device's signed word, to within 2 %; undefined before the first. */
  readonly p50: Duration | undefined;
  readonly p95: Duration | undefined;
  readonly p99: Duration | undefined;
  readonly max: Duration | undefined;
  /** How many had acknowledged after how many milliseconds, growing. */
  readonly curve: readonly { readonly after: Duration; readonly acknowledged: number }[];
  /** Acknowledgements by the way they came. */
  readonly via: Readonly<Record<string, number>>;
  /** Active devices that have not acknowledged it, at most 1,000. */
  readonly waiting: readonly string[];
  /** The same by how often they are in contact, each with those that were seen longest ago first. */
  readonly laggards: readonly Laggards[];
}

/** Devices of one connectivity class that have not acknowledged an epoch. */
export interface Laggards {
  readonly connectivity: ConnectivityClass;
  readonly count: number;
  /** At most 20. */
  readonly devices: readonly { readonly id: string; readonly lastSeenAt: Instant | undefined }[];
}

/** The epoch named, by the first issuer that measured one of that number; else the newest measured by any. Throws `not-found`. */
export async function newestPropagation(
  tx: Transaction,
  { issuers, epoch }: { readonly issuers: readonly string[]; readonly epoch: number | undefined },
): Promise<Propagation> {
  const found: Propagation[] = [];
  for (const issuer of issuers) {
    const measured = await measuredEpochs(tx, issuer);
    const isMeasured = epoch === undefined ? measured.length > 0 : measured.includes(epoch);
    if (isMeasured) found.push(await findPropagation(tx, { issuer, epoch }));
  }
  const [first, ...rest] = found;
  if (first === undefined) throw new FleetError("not-found", "no revocation was published in that epoch");
  return epoch === undefined ? rest.reduce((a, b) => (b.requestedAt > a.requestedAt ? b : a), first) : first;
}

/** The state of one epoch's propagation, the newest measured one when none is named. Throws `not-found`. */
async function findPropagation(
  tx: Transaction,
  { issuer, epoch: wanted }: { readonly issuer: string; readonly epoch: number | undefined },
): Promise<Propagation> {
  const epoch = wanted ?? (await measuredEpochs(tx, issuer)).at(-1);
  const measured = epoch === undefined ? undefined : await readMeasured(tx, { issuer, epoch });
  if (epoch === undefined || measured === undefined)
    throw new FleetError("not-found", "no revocation was published in that epoch");
  const acknowledged = new Set(
    (await tx.acks.listOf(issuer)).filter((ack) => ack.epoch >= epoch).map(({ device }) => device),
  );
  const { active, waiting, laggards } = await activeDevices(tx, acknowledged);
  const { requestedAt, blockedAtBroker, publishedAfter, expected, via = {} } = measured;
  const curve = curveOf(measured);
  const at = (share: number): Duration | undefined => percentile(curve, share);
  return {
    ...{ issuer, epoch, requestedAt, blockedAtBroker, publishedAfter, expected },
    acknowledged: active,
    ...{ p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) },
    ...{ curve, via, waiting, laggards },
  };
}

async function activeDevices(tx: Transaction, acknowledged: ReadonlySet<string>) {
  const waiting: string[] = [];
  const byClass = new Map<ConnectivityClass, Laggards["devices"][number][]>();
  let active = 0;
  for (let after = ""; ; ) {
    const page = await tx.devices.list({ after, limit: 1000 });
    for (const { id, state, lastSeenAt, attributes } of page) {
      if (state !== "active") continue;
      if (acknowledged.has(id)) {
        active += 1;
        continue;
      }
      if (waiting.length < maxWaiting) waiting.push(id);
      const alike = byClass.get(attributes.connectivity) ?? [];
      alike.push({ id, lastSeenAt });
      byClass.set(attributes.connectivity, alike);
    }
    const last = page.at(-1);
    if (last === undefined || page.length < 1000) return { active, waiting, laggards: laggardsOf(byClass) };
    after = last.id;
  }
}

function laggardsOf(
  byClass: ReadonlyMap<ConnectivityClass, readonly Laggards["devices"][number][]>,
): readonly Laggards[] {
  return [...byClass].map(([connectivity, devices]) => {
    const longestFirst = [...devices].sort((a, b) => (a.lastSeenAt ?? 0) - (b.lastSeenAt ?? 0));
    return { connectivity, count: devices.length, devices: longestFirst.slice(0, maxNamed) };
  });
}

function curveOf({ delays }: Measured): Propagation["curve"] {
  const buckets = Object.entries(delays).sort(([a], [b]) => Number(a) - Number(b));
  let acknowledged = 0;
  return buckets.map(([bucket, count]) => {
    acknowledged += count;
    return { after: Math.round(1.02 ** Number(bucket)), acknowledged };
  });
}

function percentile(curve: Propagation["curve"], share: number): Duration | undefined {
  const total = curve.at(-1)?.acknowledged ?? 0;
  return curve.find(({ acknowledged }) => acknowledged >= total * share)?.after;
}

const maxWaiting = 1000;
const maxNamed = 20;
