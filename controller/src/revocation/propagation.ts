import { FleetError, type Instant } from "@fleetcert/shared";
import type { AckRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";

/** How far an epoch that revoked something has come. */
export interface Propagation {
  readonly issuer: string;
  readonly epoch: number;
  readonly requestedAt: Instant;
  /** Milliseconds from the request until the broker refused and had dropped the sessions. */
  readonly blockedAtBroker: number;
  /** Devices that were active when it was published. */
  readonly expected: number;
  readonly acknowledged: number;
  /** Milliseconds from the request to the device's signed word, to within 2 %; undefined before the first. */
  readonly p50: number | undefined;
  readonly p95: number | undefined;
  /** Active devices that have not acknowledged it, at most 1,000. */
  readonly waiting: readonly string[];
}

/** What is kept of a propagation: the request, and how many acknowledgements came after how long. */
interface Kept {
  readonly requestedAt: Instant;
  readonly blockedAtBroker: number;
  readonly expected: number;
  /** Count by bucket; bucket b holds delays around 1.02^b milliseconds. */
  readonly delays: Readonly<Record<string, number>>;
}

/** Begins to measure, in the transaction that publishes the epoch. */
export async function beginPropagation(
  tx: Transaction,
  begun: {
    readonly issuer: string;
    readonly epoch: number;
    readonly requestedAt: Instant;
    readonly blockedAtBroker: number;
  },
): Promise<void> {
  const { issuer, epoch, requestedAt, blockedAtBroker } = begun;
  const expected = (await tx.devices.countByState()).active;
  await write(tx, { issuer, epoch }, { requestedAt, blockedAtBroker, expected, delays: {} });
  const measured = [...(await measuredEpochs(tx, issuer)), epoch];
  for (const old of measured.splice(0, measured.length - keptEpochs)) await tx.settings.delete(settingOf(issuer, old));
  await tx.settings.put(measuredSetting(issuer), JSON.stringify(measured));
}

/** Counts an acknowledgement for every open epoch it is the device's first word for. */
export async function countAck(
  tx: Transaction,
  { ack, before }: { readonly ack: AckRecord; readonly before: AckRecord | undefined },
): Promise<void> {
  for (const epoch of (await measuredEpochs(tx, ack.issuer)).slice(-openEpochs)) {
    if (ack.epoch < epoch || (before !== undefined && before.epoch >= epoch)) continue;
    const kept = await read(tx, { issuer: ack.issuer, epoch });
    if (kept === undefined) continue;
    const bucket = String(Math.round(Math.log(Math.max(1, ack.receivedAt - kept.requestedAt)) / Math.log(1.02)));
    const delays = { ...kept.delays, [bucket]: (kept.delays[bucket] ?? 0) + 1 };
    await write(tx, { issuer: ack.issuer, epoch }, { ...kept, delays });
  }
}

/** The state of one epoch's propagation, the newest measured one when none is named. Throws `not-found`. */
export async function findPropagation(
  tx: Transaction,
  { issuer, epoch: wanted }: { readonly issuer: string; readonly epoch: number | undefined },
): Promise<Propagation> {
  const epoch = wanted ?? (await measuredEpochs(tx, issuer)).at(-1);
  const kept = epoch === undefined ? undefined : await read(tx, { issuer, epoch });
  if (epoch === undefined || kept === undefined)
    throw new FleetError("not-found", "no revocation was published in that epoch");
  const acknowledged = new Set(
    (await tx.acks.listOf(issuer)).filter((ack) => ack.epoch >= epoch).map(({ device }) => device),
  );
  const { active, waiting } = await activeDevices(tx, acknowledged);
  const { requestedAt, blockedAtBroker, expected } = kept;
  return {
    ...{ issuer, epoch, requestedAt, blockedAtBroker, expected },
    acknowledged: active,
    p50: percentile(kept.delays, 0.5),
    p95: percentile(kept.delays, 0.95),
    waiting,
  };
}

async function activeDevices(tx: Transaction, acknowledged: ReadonlySet<string>) {
  const waiting: string[] = [];
  let active = 0;
  for (let after = ""; ; ) {
    const page = await tx.devices.list({ after, limit: 1000 });
    for (const { id, state } of page) {
      if (state !== "active") continue;
      if (acknowledged.has(id)) active += 1;
      else if (waiting.length < maxWaiting) waiting.push(id);
    }
    const last = page.at(-1);
    if (last === undefined || page.length < 1000) return { active, waiting };
    after = last.id;
  }
}

function percentile(delays: Kept["delays"], share: number): number | undefined {
  const buckets = Object.entries(delays).sort(([a], [b]) => Number(a) - Number(b));
  const total = buckets.reduce((sum, [, count]) => sum + count, 0);
  let seen = 0;
  for (const [bucket, count] of buckets) {
    seen += count;
    if (seen >= total * share) return Math.round(1.02 ** Number(bucket));
  }
  return undefined;
}

async function measuredEpochs(tx: Transaction, issuer: string): Promise<number[]> {
  return JSON.parse((await tx.settings.find(measuredSetting(issuer))) ?? "[]") as number[];
}

async function read(tx: Transaction, { issuer, epoch }: { readonly issuer: string; readonly epoch: number }) {
  const text = await tx.settings.find(settingOf(issuer, epoch));
  return text === undefined ? undefined : (JSON.parse(text) as Kept);
}

async function write(
  tx: Transaction,
  key: { readonly issuer: string; readonly epoch: number },
  kept: Kept,
): Promise<void> {
  await tx.settings.put(settingOf(key.issuer, key.epoch), JSON.stringify(kept));
}

const measuredSetting = (issuer: string): string => `propagations/${issuer}`;
const settingOf = (issuer: string, epoch: number): string => `propagation/${issuer}/${epoch}`;
/** The newest epochs, whose acknowledgements are still counted. */
const openEpochs = 16;
/** Epochs whose measurement is kept. */
const keptEpochs = 1000;
const maxWaiting = 1000;
