import { type Duration, type ErrorCode, isFleetError, type ProviderKey } from "@fleetcert/shared";
import { type BackoffSettings, backoff } from "../pace/backoff.ts";
import type { Conversation, Log, RandomSource, Timer } from "../ports.ts";
import type { OutboxEntry } from "./make-room.ts";
import { type Outbox, type OutboxType, outboxTypes } from "./outbox.ts";

/** What an outbox is emptied with. */
export interface DrainOptions {
  readonly conversation: Conversation;
  /** The identity key in use now; asked for each message, because it changes with a rotation. */
  readonly signer: () => ProviderKey;
  readonly timer: Timer;
  readonly random: RandomSource;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Tells the controller what waits, until the signal ends it: each type in its order, one at a time, again with full jitter
 * until `received`. An entry the controller refuses for what it says is passed over until the next drain, so that it holds up
 * no other.
 * Called once for each session, so that every session begins with a short backoff.
 */
export async function drainOutbox(outbox: Outbox, options: DrainOptions): Promise<void> {
  await Promise.all(outboxTypes.map((type) => drainType(outbox, type, options)));
}

async function drainType(outbox: Outbox, type: OutboxType, options: DrainOptions): Promise<void> {
  const { signal, timer, random } = options;
  const passed = new Set<string>();
  let attempts = 0;
  while (!signal.aborted) {
    const entry = outbox.take(type, passed);
    try {
      if (entry === undefined) {
        await outbox.changed(type, signal);
        continue;
      }
      const outcome = await tell(entry, options);
      if (outcome.type === "rejected") passed.add(entry.key);
      if (outcome.type === "received" || (outcome.type === "rejected" && type === "report"))
        await outbox.received(entry);
      attempts = outcome.type === "failed" ? attempts + 1 : 0;
      if (outcome.type !== "failed") continue;
      const { retryAfter } = outcome;
      await timer.sleep(backoff(settings, { attempts, jitter: random.fraction(), retryAfter }), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      if (entry !== undefined) outbox.putBack(entry);
    }
  }
}

type Outcome =
  | { readonly type: "received" }
  | { readonly type: "rejected" }
  | { readonly type: "failed"; readonly retryAfter: Duration };

async function tell({ body, key }: OutboxEntry, options: DrainOptions): Promise<Outcome> {
  const { conversation, signer, log, signal } = options;
  try {
    const { body: answer } = await conversation.ask(body, { signer: signer(), patience, signal });
    if (answer.type === "received") return { type: "received" };
    if (answer.type !== "refused") return { type: "failed", retryAfter: 0 };
    log.warn({ key, kind: body.type, code: answer.code }, "outbox entry refused");
    return passing.has(answer.code) ? { type: "failed", retryAfter: answer.retryAfter } : { type: "rejected" };
  } catch (error) {
    if (signal.aborted || !isFleetError(error)) throw error;
    log.info({ kind: body.type, code: error.code }, "outbox waits");
    return { type: "failed", retryAfter: 0 };
  }
}

/** Refusals that say nothing against the message itself. */
const passing: ReadonlySet<string> = new Set<ErrorCode>([
  "clock-leapt",
  "device-suspended",
  "internal",
  "rate-limited",
  "signer-not-allowed",
  "store-failed",
  "time-unknown",
]);

const settings: BackoffSettings = { base: 1000, cap: 5 * 60_000 };
const patience: Duration = 2 * 60_000;
