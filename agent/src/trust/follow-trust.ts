import { isFleetError } from "@fleetcert/shared";
import type { Log } from "../ports.ts";
import type { RetainedSource } from "../retained/retained-topics.ts";
import type { FetchTrustVersions, OpenTrustKeeper } from "./trust-keeper.ts";

interface TrustFollowerOptions {
  readonly trust: OpenTrustKeeper;
  readonly retained: RetainedSource;
  readonly log: Log;
  /** Told after a new bundle is in force. */
  readonly accepted: () => void;
  /** Told of what makes the process useless: a store that is gone. */
  readonly failed: (error: unknown) => void;
}

/**
 * Keeps trust up to date with the retained bundle of the fleet. A refused bundle is logged and tried again with the next
 * session; what is trusted stays.
 */
export class TrustFollower {
  readonly #options: TrustFollowerOptions;
  #latest: Uint8Array | undefined;
  #refused: Uint8Array | undefined;
  #walk: Promise<void> | undefined;

  constructor(options: TrustFollowerOptions) {
    this.#options = options;
  }

  /**
   * Takes the payload of the `trust` topic. A bundle that can be accepted is in force when this resolves: what comes next may
   * be signed by its keys. A walk goes on behind, because its steps come in over the same session, one after the other.
   */
  async offer(envelope: Uint8Array, signal: AbortSignal): Promise<void> {
    if (this.#walk === undefined && (await this.#acceptAtOnce(envelope))) return;
    this.#latest = envelope;
    this.#walk ??= this.#walkOn(signal)
      .catch(this.#options.failed)
      .finally(() => {
        this.#walk = undefined;
      });
  }

  /** A session is live: what was refused, perhaps only because its forerunners could not be fetched, is tried again. */
  async connected(signal: AbortSignal): Promise<void> {
    if (this.#refused !== undefined) await this.offer(this.#refused, signal);
  }

  /** Resolves when no walk is under way. */
  async idle(): Promise<void> {
    await this.#walk;
  }

  async #acceptAtOnce(envelope: Uint8Array): Promise<boolean> {
    const { trust, accepted } = this.#options;
    const before = trust.current();
    try {
      await trust.accept(envelope);
    } catch (error) {
      if (isFleetError(error)) return false;
      throw error;
    }
    this.#refused = undefined;
    if (trust.current() !== before) accepted();
    return true;
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
        if (!isFleetError(error) && !signal.aborted) throw error;
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
