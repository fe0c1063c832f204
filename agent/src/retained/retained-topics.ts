import { formatTopic, type Topic } from "@fleetcert/proto";
import { type Duration, FleetError } from "@fleetcert/shared";
import type { FleetTopics, Log, Timer } from "../ports.ts";

/**
 * Where retained payloads are fetched from; nothing is said about what they hold. Both reject with `offline` without a
 * session, or the signal's reason.
 *
 * - `fetch` resolves with one payload for each topic, in order; rejects with `timeout` when one does not come.
 * - `fetchKept` gives undefined for those that do not come.
 */
export interface RetainedSource {
  fetch(topics: readonly Topic[], signal: AbortSignal): Promise<Uint8Array[]>;
  fetchKept(topics: readonly Topic[], signal: AbortSignal): Promise<(Uint8Array | undefined)[]>;
}

/** Fetches retained fleet topics on demand: subscribes to some at a time, takes what comes first, unsubscribes. */
export class RetainedTopics implements RetainedSource {
  readonly #options: {
    readonly topics: FleetTopics;
    readonly timer: Timer;
    readonly log: Log;
    readonly patience: Duration;
  };
  readonly #waiting = new Map<string, Set<(payload: Uint8Array) => void>>();

  /** `patience` is how long nothing may come before a fetch gives up. */
  constructor(options: { topics: FleetTopics; timer: Timer; log: Log; patience: Duration }) {
    this.#options = options;
  }

  /** Hands over a payload that came on a fleet topic; those nobody waits for, empty and oversized ones are left alone. */
  offer(topic: Topic, payload: Uint8Array): void {
    if (payload.length === 0 || payload.length > maxPayloadBytes) return;
    for (const take of this.#waiting.get(formatTopic(topic)) ?? []) take(payload);
  }

  async fetch(topics: readonly Topic[], signal: AbortSignal): Promise<Uint8Array[]> {
    return await this.#inBatches(topics, async (filters) => {
      const payloads = await this.#fetchSome(filters, signal);
      return filters.map((filter) => {
        const payload = payloads.get(filter);
        if (payload !== undefined) return payload;
        throw new FleetError("timeout", `nothing came on ${filter}`, { retry: true });
      });
    });
  }

  async fetchKept(topics: readonly Topic[], signal: AbortSignal): Promise<(Uint8Array | undefined)[]> {
    return await this.#inBatches(topics, async (filters) => {
      const payloads = await this.#fetchSome(filters, signal);
      return filters.map((filter) => payloads.get(filter));
    });
  }

  async #inBatches<T>(
    topics: readonly Topic[],
    fetchBatch: (filters: readonly string[]) => Promise<T[]>,
  ): Promise<T[]> {
    const results: T[] = [];
    for (let start = 0; start < topics.length; start += topicsAtOnce) {
      const batch = topics.slice(start, start + topicsAtOnce);
      results.push(...(await fetchBatch(batch.map((topic) => formatTopic(topic)))));
    }
    return results;
  }

  async #fetchSome(filters: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, Uint8Array>> {
    const { topics } = this.#options;
    const collection = this.#collect(filters);
    try {
      await topics.subscribe(filters);
      await this.#patiently(collection, signal);
      return collection.payloads;
    } finally {
      collection.stop();
      await topics.unsubscribe(filters).catch((error: unknown) => {
        this.#options.log.info({ error, topics: filters.length }, "fetched topics stay subscribed");
      });
    }
  }

  #collect(filters: readonly string[]): Collection {
    const payloads = new Map<string, Uint8Array>();
    const complete = Promise.withResolvers<void>();
    const takers = filters.map((filter) => ({
      filter,
      take: (payload: Uint8Array) => {
        if (!payloads.has(filter)) payloads.set(filter, payload);
        if (payloads.size === filters.length) complete.resolve();
      },
    }));
    for (const { filter, take } of takers) this.#takersOf(filter).add(take);
    const stop = () => {
      for (const { filter, take } of takers) this.#drop(filter, take);
    };
    return { payloads, complete: complete.promise, stop };
  }

  /** Waits until all has come, or nothing new came for as long as `patience`. */
  async #patiently({ payloads, complete }: Collection, signal: AbortSignal): Promise<void> {
    const { timer, patience } = this.#options;
    const done = new AbortController();
    const until = AbortSignal.any([signal, done.signal]);
    const silence = async (): Promise<void> => {
      for (let before = -1; before < payloads.size; ) {
        before = payloads.size;
        await timer.sleep(patience, until);
      }
    };
    const silent = silence();
    silent.catch(() => {});
    try {
      await Promise.race([complete, silent]);
    } finally {
      done.abort();
    }
  }

  #takersOf(filter: string): Set<(payload: Uint8Array) => void> {
    const takers = this.#waiting.get(filter) ?? new Set();
    this.#waiting.set(filter, takers);
    return takers;
  }

  #drop(filter: string, take: (payload: Uint8Array) => void): void {
    const takers = this.#takersOf(filter);
    takers.delete(take);
    if (takers.size === 0) this.#waiting.delete(filter);
  }
}

interface Collection {
  readonly payloads: Map<string, Uint8Array>;
  readonly complete: Promise<void>;
  readonly stop: () => void;
}

const topicsAtOnce = 16;
const maxPayloadBytes = 64 * 1024;
