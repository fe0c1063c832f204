import type { BodyOf } from "@fleetcert/proto";
import { type Duration, isFleetError } from "@fleetcert/shared";
import type { Log, RandomSource, Timer } from "../ports.ts";
import { type ReportFacts, statusReport } from "./status-report.ts";

interface Options {
  readonly facts: () => ReportFacts;
  /** Where reports go: the outbox. */
  readonly news: { enqueue(body: BodyOf<"report"> | BodyOf<"event">): Promise<void> };
  /** What the desired state asks for; 0 when it asks for nothing. */
  readonly interval: () => Duration;
  readonly timer: Timer;
  readonly random: RandomSource;
  readonly log: Log;
}

/**
 * Reports on this device after every change, and at an interval with ±10 % jitter so that a fleet spreads out. Changes that
 * come close together make one report; a report that cannot be kept is left to the next.
 */
export class Reporter {
  readonly #options: Options;
  #isDue = false;
  #wake = new AbortController();
  #toldStale: number | undefined;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Something changed, or a session is live: a report is due. */
  changed(): void {
    this.#isDue = true;
    this.#wake.abort();
  }

  /** Reports until the signal ends it. Rejects only with what makes the process useless. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (!this.#isDue) await this.#pause(this.#interval(), signal);
      if (this.#isDue) await this.#settle(signal);
      if (signal.aborted) return;
      this.#isDue = false;
      await this.#report();
    }
  }

  async #report(): Promise<void> {
    const { facts, news, log } = this.#options;
    try {
      const known = facts();
      await this.#tellStale(known);
      await news.enqueue(statusReport(known));
    } catch (error) {
      if (!isFleetError(error)) throw error;
      log.warn({ error, code: error.code }, "report not kept");
    }
  }

  /** Once for each bundle that expires in force; the next one ends it. */
  async #tellStale({ trust, estimate }: ReportFacts): Promise<void> {
    if (trust?.isStale !== true || this.#toldStale === trust.version) return;
    this.#toldStale = trust.version;
    const details = { era: String(trust.era), version: String(trust.version) };
    await this.#options.news.enqueue({ type: "event", name: "trust-stale", at: estimate.at, details });
  }

  /** Sleeps, or until something changes. */
  async #pause(duration: Duration, signal: AbortSignal): Promise<void> {
    this.#wake = new AbortController();
    const until = AbortSignal.any([signal, this.#wake.signal]);
    await this.#options.timer.sleep(duration, until).catch((error: unknown) => {
      if (!until.aborted) throw error;
    });
  }

  async #settle(signal: AbortSignal): Promise<void> {
    await this.#options.timer.sleep(settleFor, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  #interval(): Duration {
    const asked = this.#options.interval();
    const bounded = asked === 0 ? defaultInterval : Math.min(maxInterval, Math.max(minInterval, asked));
    return Math.round(bounded * (0.9 + 0.2 * this.#options.random.fraction()));
  }
}

/** A rotation makes several changes within moments. */
const settleFor: Duration = 500;
const defaultInterval: Duration = 15 * 60_000;
const minInterval: Duration = 10_000;
const maxInterval: Duration = 24 * 3_600_000;
