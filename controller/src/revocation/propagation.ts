import type { Duration, Instant } from "@fleetcert/shared";
import type { AckRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";

/** What is kept of a propagation: the request, and how many acknowledgements came after how long. */
export interface Measured {
  readonly requestedAt: Instant;
  readonly blockedAtBroker: Duration;
  /** From the request until lists and head were signed and stored; absent where an older controller measured. */
  readonly publishedAfter?: Duration;
  readonly expected: number;
  /** Count by bucket; bucket b holds delays around 1.02^b milliseconds. */
  readonly delays: Readonly<Record<string, number>>;
  /** Acknowledgements by the way they came: `mqtt`, `courier`. */
  readonly via?: Readonly<Record<string, number>>;
}

/** Begins to measure, in the transaction that publishes the epoch. */
export async function beginPropagation(
  tx: Transaction,
  begun: {
    readonly issuer: string;
    readonly epoch: number;
    readonly requestedAt: Instant;
    readonly blockedAtBroker: Duration;
    readonly now: Instant;
  },
): Promise<void> {
  const { issuer, epoch, requestedAt, blockedAtBroker, now } = begun;
  const expected = (await tx.devices.countByState()).active;
  const publishedAfter = Math.max(0, now - requestedAt);
  await write(tx, { issuer, epoch }, { requestedAt, blockedAtBroker, publishedAfter, expected, delays: {}, via: {} });
  const measured = [...(await measuredEpochs(tx, issuer)), epoch];
  for (const old of measured.splice(0, measured.length - keptEpochs)) await tx.settings.delete(settingOf(issuer, old));
  await tx.settings.put(measuredSetting(issuer), JSON.stringify(measured));
}

/** Says how long it took until the broker refused, where that is seen only after the epoch. */
export async function noteBlocked(
  tx: Transaction,
  key: { readonly issuer: string; readonly epoch: number },
  blockedAtBroker: Duration,
): Promise<void> {
  const kept = await readMeasured(tx, key);
  if (kept !== undefined) await write(tx, key, { ...kept, blockedAtBroker });
}

/** Counts an acknowledgement for every open epoch it is the device's first word for. */
export async function countAck(
  tx: Transaction,
  { ack, before }: { readonly ack: AckRecord; readonly before: AckRecord | undefined },
): Promise<void> {
  for (const epoch of (await measuredEpochs(tx, ack.issuer)).slice(-openEpochs)) {
    if (ack.epoch < epoch || (before !== undefined && before.epoch >= epoch)) continue;
    const kept = await readMeasured(tx, { issuer: ack.issuer, epoch });
    if (kept === undefined) continue;
    const bucket = String(Math.round(Math.log(Math.max(1, ack.receivedAt - kept.requestedAt)) / Math.log(1.02)));
    const delays = { ...kept.delays, [bucket]: (kept.delays[bucket] ?? 0) + 1 };
    const via = { ...kept.via, [ack.via]: (kept.via?.[ack.via] ?? 0) + 1 };
    await write(tx, { issuer: ack.issuer, epoch }, { ...kept, delays, via });
  }
}

/** Epochs that revoked something and are measured, oldest first. */
export async function measuredEpochs(tx: Transaction, issuer: string): Promise<number[]> {
  return JSON.parse((await tx.settings.find(measuredSetting(issuer))) ?? "[]") as number[];
}

/** What was measured of an epoch; undefined when it revoked nothing, or too long ago. */
export async function readMeasured(
  tx: Transaction,
  { issuer, epoch }: { readonly issuer: string; readonly epoch: number },
): Promise<Measured | undefined> {
  const text = await tx.settings.find(settingOf(issuer, epoch));
  return text === undefined ? undefined : (JSON.parse(text) as Measured);
}

async function write(
  tx: Transaction,
  key: { readonly issuer: string; readonly epoch: number },
  kept: Measured,
): Promise<void> {
  await tx.settings.put(settingOf(key.issuer, key.epoch), JSON.stringify(kept));
}

const measuredSetting = (issuer: string): string => `propagations/${issuer}`;
const settingOf = (issuer: string, epoch: number): string => `propagation/${issuer}/${epoch}`;
/** The newest epochs, whose acknowledgements are still counted. */
const openEpochs = 16;
/** Epochs whose measurement is kept. */
const keptEpochs = 1000;
