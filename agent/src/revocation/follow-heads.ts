import type { BodyOf, Via } from "@fleetcert/proto";
import { type ErrorCode, isFleetError } from "@fleetcert/shared";
import { type BackoffSettings, backoff } from "../pace/backoff.ts";
import type { Log, RandomSource, TimeKeeper, Timer } from "../ports.ts";
import type { RetainedSource } from "../retained/retained-topics.ts";
import { type RevocationFault, RevocationRefusal } from "./refusal.ts";
import type { OfferedHead, RevocationCache } from "./revocation-cache.ts";

/** Where acks and alarms go: the outbox. */
export interface RevocationNews {
  enqueue(body: BodyOf<"ack"> | BodyOf<"event">): Promise<void>;
}

interface Options {
  readonly cache: RevocationCache;
  readonly retained: RetainedSource;
  readonly news: RevocationNews;
  readonly time: Pick<TimeKeeper, "estimate">;
  readonly timer: Timer;
  readonly random: RandomSource;
  readonly log: Log;
  /** Told after an epoch is in force. */
  readonly applied: () => void;
}

/**
 * Brings the cache to the newest head of every issuer: fetches what it needs, again with full jitter while the way here is at
 * fault, tells the controller what was applied, and raises an alarm for what was refused.
 */
export class HeadFollower {
  readonly #options: Options;
  readonly #lanes = new Map<string, Lane>();
  /** Heads that this trust bundle does not vouch for; one that does may be on its way. */
  readonly #unsigned = new Map<string, { readonly envelope: Uint8Array; readonly via: Via }>();
  #signal: AbortSignal | undefined;
  readonly #failed = Promise.withResolvers<never>();

  constructor(options: Options) {
    this.#options = options;
  }

  /** Follows until the signal ends it; acks again what is in force. Rejects only with what makes the process useless. */
  async run(signal: AbortSignal): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    for (const issuer of this.#options.cache.lost) await this.#alarm("state-lost", issuer);
    for (const ack of this.#options.cache.acks()) await this.#tell(ack);
    this.#signal = signal;
    for (const lane of this.#lanes.values()) this.#begin(lane);
    await Promise.race([ended, this.#failed.promise]);
  }

  /** Takes the payload of a head topic; returns at once, the rest happens behind. */
  async offer(issuer: string, envelope: Uint8Array, via: Via = "mqtt"): Promise<void> {
    let offered: OfferedHead | undefined;
    try {
      offered = this.#options.cache.examine(envelope, { issuer, via });
      this.#unsigned.delete(issuer);
    } catch (error) {
      await this.#refused(issuer, error, { envelope, via });
      return;
    }
    if (offered === undefined) return;
    const lane = this.#laneOf(issuer);
    if (lane.latest !== undefined && !isNewer(offered, lane.latest)) return;
    lane.latest = offered;
    lane.wake.abort();
    // Parts of an epoch that is overtaken may be cleared already: waiting for them would only delay the one that counts.
    if (lane.overtaken < maxOvertaken) lane.fetch.abort();
    this.#begin(lane);
  }

  /** A session is live: what waits for another try is tried now. */
  connected(): void {
    for (const lane of this.#lanes.values()) lane.wake.abort();
  }

  /** A new trust bundle is in force: heads that the old one did not vouch for are looked at again. */
  async trustChanged(): Promise<void> {
    const waiting = [...this.#unsigned];
    this.#unsigned.clear();
    for (const [issuer, { envelope, via }] of waiting) await this.offer(issuer, envelope, via);
  }

  #begin(lane: Lane): void {
    const signal = this.#signal;
    if (signal === undefined || lane.isRunning || signal.aborted) return;
    lane.isRunning = true;
    this.#follow(lane, signal).then(
      () => {
        lane.isRunning = false;
        if (lane.latest !== undefined) this.#begin(lane);
      },
      (error: unknown) => this.#failed.reject(error),
    );
  }

  async #follow(lane: Lane, signal: AbortSignal): Promise<void> {
    const { cache, retained, applied } = this.#options;
    for (let attempts = 0; lane.latest !== undefined && !signal.aborted; ) {
      const offered = lane.latest;
      const fetch = new AbortController();
      lane.fetch = fetch;
      try {
        const ack = await cache.apply(offered, retained, AbortSignal.any([signal, fetch.signal]));
        if (lane.latest === offered) lane.latest = undefined;
        attempts = 0;
        lane.overtaken = 0;
        if (ack !== undefined) await this.#tell(ack);
        applied();
      } catch (error) {
        if (signal.aborted) return;
        if (fetch.signal.aborted) {
          lane.overtaken++;
          continue;
        }
        await this.#refused(lane.issuer, error);
        const isWorthRepeating = isFleetError(error) && (error.retry || error.code === "store-failed");
        if (!isWorthRepeating && lane.latest === offered) lane.latest = undefined;
        if (isWorthRepeating) await this.#pause(lane, ++attempts, signal);
      }
    }
  }

  async #pause(lane: Lane, attempts: number, signal: AbortSignal): Promise<void> {
    const { timer, random } = this.#options;
    lane.wake = new AbortController();
    const duration = backoff(settings, { attempts, jitter: random.fraction() });
    await timer.sleep(duration, AbortSignal.any([signal, lane.wake.signal])).catch(() => undefined);
  }

  /** Logs a failure and alarms for what only an attack or a broken controller brings about. */
  async #refused(
    issuer: string,
    error: unknown,
    head?: { readonly envelope: Uint8Array; readonly via: Via },
  ): Promise<void> {
    if (!isFleetError(error)) throw error;
    this.#options.log.warn({ issuer, error, code: error.code }, "revocation state refused");
    const fault = error instanceof RevocationRefusal ? error.fault : faultOf(error.code);
    const mayBeTrustedLater = fault === "untrusted" || fault === "era-ahead" || error.code === "signer-not-allowed";
    if (mayBeTrustedLater && head !== undefined && this.#unsigned.size < maxUnsigned) this.#unsigned.set(issuer, head);
    if (fault !== undefined && fault !== "untrusted" && fault !== "era-ahead") await this.#alarm(fault, issuer);
  }

  /** Names the epoch held, not the one offered: a flood of forgeries is one event with a count. */
  async #alarm(fault: RevocationFault | "state-lost", issuer: string): Promise<void> {
    const held = this.#options.cache.epochs().find((one) => one.issuer === issuer);
    const details = { issuer, ...(held && { heldEra: String(held.era), heldEpoch: String(held.epoch) }) };
    const at = this.#options.time.estimate().at;
    await this.#tell({ type: "event", name: `revocation-${fault}`, at, details });
  }

  /** A full outbox loses neither enforcement nor the ack: it is told again at the next start. */
  async #tell(body: BodyOf<"ack"> | BodyOf<"event">): Promise<void> {
    try {
      await this.#options.news.enqueue(body);
    } catch (error) {
      if (!isFleetError(error, "rate-limited")) throw error;
      this.#options.log.warn({ error, kind: body.type }, "no room in the outbox");
    }
  }

  #laneOf(issuer: string): Lane {
    const lane = this.#lanes.get(issuer) ?? {
      issuer,
      latest: undefined,
      isRunning: false,
      wake: new AbortController(),
      fetch: new AbortController(),
      overtaken: 0,
    };
    this.#lanes.set(issuer, lane);
    return lane;
  }
}

/** The way of one issuer's heads; only verified heads of issuers in the trust bundle get one. */
interface Lane {
  readonly issuer: string;
  latest: OfferedHead | undefined;
  isRunning: boolean;
  wake: AbortController;
  /** Ends the fetch under way. */
  fetch: AbortController;
  /** Fetches in a row that were ended for a newer head. */
  overtaken: number;
}

/** What other errors of judging a head mean; undefined when they say nothing against it. */
function faultOf(code: ErrorCode): RevocationFault | "untrusted" | undefined {
  if (code === "signature-invalid" || code === "trust-invalid") return "untrusted";
  return code === "signer-not-allowed" ? "wrong-issuer" : undefined;
}

function isNewer({ head: a }: OfferedHead, { head: b }: OfferedHead): boolean {
  return (a.era - b.era || a.epoch - b.epoch) > 0;
}

const settings: BackoffSettings = { base: 1000, cap: 5 * 60_000 };
const maxUnsigned = 32;
/** After so many the next fetch is let finish: heads may come faster than a slow link brings what they name. */
const maxOvertaken = 3;
