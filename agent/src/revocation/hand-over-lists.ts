import type { BodyOf } from "@fleetcert/proto";
import { type CertificateRevocationList, type Duration, isFleetError, pemEncode } from "@fleetcert/shared";
import { type BackoffSettings, backoff } from "../pace/backoff.ts";
import type { ListOutput, Log, RandomSource, TimeKeeper, Timer } from "../ports.ts";

interface Options {
  readonly outputs: readonly ListOutput[];
  /** Every list in force; undefined while one is missing: software is never given half of them. */
  readonly lists: () => readonly CertificateRevocationList[] | undefined;
  readonly news: { enqueue(body: BodyOf<"event">): Promise<void> };
  readonly time: Pick<TimeKeeper, "estimate">;
  readonly timer: Timer;
  readonly random: RandomSource;
  readonly log: Log;
}

/**
 * Gives other software of this host the lists in force, each output at its own pace: a file that cannot be written or a reader
 * that does not reload is told to the controller and tried again, and holds up neither revocation nor the other outputs.
 */
export class ListHandOver {
  readonly #options: Options;
  readonly #lanes: readonly Lane[];

  constructor(options: Options) {
    this.#options = options;
    this.#lanes = options.outputs.map((output) => ({
      output,
      given: undefined,
      isFailing: false,
      isDue: true,
      wake: new AbortController(),
    }));
  }

  /** An epoch is in force: what it changed is to be handed over. */
  changed(): void {
    for (const lane of this.#lanes) {
      lane.isDue = true;
      lane.wake.abort();
    }
  }

  /** Hands over until the signal ends it; what is held at the start too, for a reader may have missed the last. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => this.#follow(lane, signal)));
  }

  async #follow(lane: Lane, signal: AbortSignal): Promise<void> {
    for (let attempts = 0; !signal.aborted; ) {
      lane.wake = new AbortController();
      if (lane.isDue) {
        lane.isDue = false;
        const isDone = await this.#give(lane, signal);
        if (signal.aborted) return;
        attempts = isDone ? 0 : attempts + 1;
      }
      if (lane.isDue) continue;
      await this.#pause(lane, attempts, signal);
      lane.isDue ||= attempts > 0;
    }
  }

  async #give(lane: Lane, signal: AbortSignal): Promise<boolean> {
    const { lists, log } = this.#options;
    const pem = lists()
      ?.map(({ der }) => pemEncode("X509 CRL", der))
      .join("");
    if (pem === undefined || pem === lane.given) return true;
    try {
      await lane.output.replace(pem);
      await lane.output.reload(signal);
      lane.given = pem;
      lane.isFailing = false;
      log.info({ output: lane.output.name, bytes: pem.length }, "revocation lists handed over");
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      if (!isFleetError(error)) throw error;
      log.warn({ output: lane.output.name, error, code: error.code }, "revocation lists not handed over");
      await this.#tell(lane, error.code);
      return false;
    }
  }

  /** Once for a row of failures. */
  async #tell(lane: Lane, code: string): Promise<void> {
    if (lane.isFailing) return;
    lane.isFailing = true;
    const { news, time, log } = this.#options;
    const details = { output: lane.output.name.slice(-maxDetail), code };
    try {
      await news.enqueue({ type: "event", name: "revocation-hand-over-failed", at: time.estimate().at, details });
    } catch (error) {
      if (!isFleetError(error)) throw error;
      log.warn({ error }, "no room in the outbox");
    }
  }

  /** Until something changes; after a failure no longer than the backoff says. */
  async #pause(lane: Lane, attempts: number, signal: AbortSignal): Promise<void> {
    const { timer, random } = this.#options;
    const duration = attempts === 0 ? longRest : backoff(settings, { attempts, jitter: random.fraction() });
    const until = AbortSignal.any([signal, lane.wake.signal]);
    await timer.sleep(duration, until).catch((error: unknown) => {
      if (!until.aborted) throw error;
    });
  }
}

interface Lane {
  readonly output: ListOutput;
  /** What its reader has. */
  given: string | undefined;
  isFailing: boolean;
  isDue: boolean;
  wake: AbortController;
}

const settings: BackoffSettings = { base: 1000, cap: 5 * 60_000 };
const longRest: Duration = 24 * 3_600_000;
const maxDetail = 200;
