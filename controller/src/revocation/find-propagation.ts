import { type Duration, FleetError, type Instant } from "@fleetcert/shared";
import type { ConnectivityClass } from "../records.ts";
import type { ClassCount, Transaction } from "../store-port.ts";
import { type Measured, measuredEpochs, readMeasured } from "./propagation.ts";

/** How far an epoch that revoked something has come, in numbers. */
export interface Reach {
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
  /** Active devices that have not acknowledged it, by how often they are in contact. */
  readonly behind: readonly ClassCount[];
}

/** {@link Reach}, and who has not acknowledged it. */
export interface Propagation extends Omit<Reach, "behind"> {
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

/** What is asked about: the issuers, the one that issues now first, and an epoch, or the newest measured by any. */
interface Question {
  readonly issuers: readonly string[];
  readonly epoch: number | undefined;
}

/** The numbers of the epoch named, by the first issuer that measured one of that number; from kept counters. Throws `not-found`. */
export async function findReach(tx: Transaction, { issuers, epoch }: Question): Promise<Reach> {
  const found: Reach[] = [];
  for (const issuer of issuers) {
    const measured = await measuredEpochs(tx, issuer);
    const wanted = epoch ?? measured.at(-1);
    if (wanted !== undefined && measured.includes(wanted)) found.push(await reachOf(tx, { issuer, epoch: wanted }));
  }
  const [first, ...rest] = found;
  if (first === undefined) throw new FleetError("not-found", "no revocation was published in that epoch");
  return epoch === undefined ? rest.reduce((a, b) => (b.requestedAt > a.requestedAt ? b : a), first) : first;
}

/** The same with those who wait, for a person who asks: reads the devices of each class that has some. Throws `not-found`. */
export async function findPropagation(tx: Transaction, question: Question): Promise<Propagation> {
  const { behind, ...reach } = await findReach(tx, question);
  const waiting: string[] = [];
  const laggards: Laggards[] = [];
  for (const { connectivity, count } of behind) {
    const { issuer, epoch } = reach;
    const devices = await tx.acks.listBehind(issuer, { epoch, connectivity, limit: maxWaiting });
    waiting.push(...devices.map(({ id }) => id));
    laggards.push({ connectivity, count, devices: devices.slice(0, maxNamed) });
  }
  return { ...reach, waiting: waiting.sort().slice(0, maxWaiting), laggards };
}

async function reachOf(
  tx: Transaction,
  { issuer, epoch }: { readonly issuer: string; readonly epoch: number },
): Promise<Reach> {
  const measured = await readMeasured(tx, { issuer, epoch });
  if (measured === undefined) throw new FleetError("not-found", "no revocation was published in that epoch");
  const applied = new Map(
    (await tx.acks.countApplied(issuer, epoch)).map(({ connectivity, count }) => [connectivity, count]),
  );
  const behind = (await tx.devices.countActive())
    .map(({ connectivity, count }) => ({ connectivity, count: count - (applied.get(connectivity) ?? 0) }))
    .filter(({ count }) => count > 0);
  const { requestedAt, blockedAtBroker, publishedAfter, expected, via = {} } = measured;
  const curve = curveOf(measured);
  const at = (share: number): Duration | undefined => percentile(curve, share);
  return {
    ...{ issuer, epoch, requestedAt, blockedAtBroker, publishedAfter, expected },
    acknowledged: [...applied.values()].reduce((sum, count) => sum + count, 0),
    ...{ p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) },
    ...{ curve, via, behind },
  };
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
