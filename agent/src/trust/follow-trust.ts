import type { Log } from "../ports.ts";
import type { RetainedSource } from "../retained/retained-topics.ts";
import type { FetchTrustVersions, OpenTrustKeeper } from "./trust-keeper.ts";

/**
 * Keeps trust up to date with the retained bundle of the fleet. A refused bundle is logged and tried again with the next
 * session; what is trusted stays.
 */
export class TrustFollower {
  readonly #options: {
    readonly trust: OpenTrustKeeper;
    readonly retained: RetainedSource;
    readonly log: Log;
    /** Told after a new bundle is in force. */
    readonly accepted: () => void;
  };
  #latest: Uint8Array | undefined;
  #refused: Uint8Array | undefined;
  #walk: Promise<void> | undefined;

  constructor(options: { trust: OpenTrustKeeper; retained: RetainedSource; log: Log; accepted: () => void }) {
    this.#options = options;
  }

  /** Takes the payload of the `trust` topic; the walk goes on behind, because its steps come in over the same session. */
  offer(envelope: Uint8Array, signal: AbortSignal): void {
    this.#latest = envelope;
    this.#walk ??= this.#walkOn(signal).finally(() => {
      this.#walk = undefined;
    });
  }

  /** A session is live: what was refused, perhaps only because its forerunners could not be fetched, is tried again. */
  connected(signal: AbortSignal): void {
    if (this.#refused !== undefined) this.offer(this.#refused, signal);
  }

  /** Resolves when no walk is under way. */
  async idle(): Promise<void> {
    await this.#walk;
  }

  async #walkOn(signal: AbortSignal): Promise<void> {
    const { trust, retained, log, accepted } = this.#options;
    while (this.#latest !== undefined && !signal.aborted) {
      const envelope = this.#latest;
      this.#latest = undefined;
      this.#refused = undefined;
      const before = trust.current();
      try {
        await trust.walkTo(envelope, fetchFrom(retained, signal));
      } catch (error) {
        this.#refused = envelope;
        log.warn({ error }, "trust bundle refused");
      }
      if (trust.current() !== before) accepted();
    }
  }
}

/** Only versions that change roots are kept, so that some do not come is normal. */
function fetchFrom(retained: RetainedSource, signal: AbortSignal): FetchTrustVersions {
  return (versions) =>
    retained.fetchKept(
      versions.map((version) => ({ type: "trust-version", version })),
      signal,
    );
}
