import { type Body, decodeBodyAtRest, encodeBodyAtRest } from "@fleetcert/proto";
import { FleetError, isFleetError } from "@fleetcert/shared";
import type { Log, StateChange, StateStore } from "../ports.ts";
import {
  isSuperseded,
  makeRoom,
  type OutboxBody,
  type OutboxBounds,
  type OutboxEntry,
  type Placement,
} from "./make-room.ts";

/** The types of body that wait in an outbox, the most important first. */
export const outboxTypes = ["event", "ack", "report"] as const;

/** One of {@link outboxTypes}. */
export type OutboxType = (typeof outboxTypes)[number];

/**
 * What the controller has to learn even if it takes days: bounded, durable, in order for each type.
 *
 * `enqueue` is durable when it resolves. Events and acks that were taken leave only by {@link Outbox.received}; of reports
 * only the newest is kept, and the first to go. Throws `rate-limited` when there is room for neither.
 */
export class Outbox {
  readonly #state: StateStore;
  readonly #bounds: OutboxBounds;
  #entries: readonly OutboxEntry[];
  #nextNumber: number;
  readonly #busy = new Set<string>();
  readonly #waiting = new Map<OutboxType, Set<() => void>>();
  #turn: Promise<void> = Promise.resolve();

  constructor(options: {
    state: StateStore;
    bounds: OutboxBounds;
    entries: readonly OutboxEntry[];
    nextNumber: number;
  }) {
    this.#state = options.state;
    this.#bounds = options.bounds;
    this.#entries = options.entries;
    this.#nextNumber = options.nextNumber;
  }

  /** Opens the outbox on what is stored. An entry that cannot be read any more is logged and left out. */
  static async open(options: {
    readonly state: StateStore;
    readonly log: Log;
    readonly bounds?: OutboxBounds;
  }): Promise<Outbox> {
    const { state, log, bounds = defaultBounds } = options;
    const keys = await state.keys(prefix, maxStored);
    const entries: OutboxEntry[] = [];
    for (const key of keys) {
      const entry = await readEntry(state, key, log);
      if (entry !== undefined) entries.push(entry);
    }
    const nextNumber = Number(keys.at(-1)?.slice(prefix.length) ?? -1) + 1;
    return new Outbox({ state, bounds, entries, nextNumber });
  }

  /** How many things wait. */
  get length(): number {
    return this.#entries.length;
  }

  enqueue(body: OutboxBody): Promise<void> {
    return this.#inTurn(async () => {
      const bounds = this.#bounds;
      const sizeOf = (one: OutboxBody) => encodeBodyAtRest(one).length;
      const placement = makeRoom(this.#entries, body, { bounds, busy: this.#busy, sizeOf });
      const added = this.#entryFor(placement);
      await this.#write(placement.remove, added);
      for (const wake of this.#waiting.get(body.type) ?? []) wake();
    });
  }

  /** All that waits, the most important type first, each in its order. */
  waiting(): OutboxEntry[] {
    return outboxTypes.flatMap((type) => this.#entries.filter(({ body }) => body.type === type));
  }

  /** The entry of a key, as it stands now. */
  find(key: string): OutboxEntry | undefined {
    return this.#entries.find((entry) => entry.key === key);
  }

  /** The oldest of a type that is not among `passed`; the outbox will not change it before `received` or `putBack`. */
  take(type: OutboxType, passed: ReadonlySet<string>): OutboxEntry | undefined {
    const entry = this.#entries.find(({ key, body }) => body.type === type && !passed.has(key));
    if (entry !== undefined) this.#busy.add(entry.key);
    return entry;
  }

  putBack({ key }: OutboxEntry): void {
    this.#busy.delete(key);
  }

  /** The controller has stored it: it leaves, durably, and with it acks of lower epochs. Idempotent. */
  received(entry: OutboxEntry): Promise<void> {
    return this.#inTurn(async () => {
      this.#busy.delete(entry.key);
      const isSettled = (one: OutboxEntry) => one === entry || isSuperseded(one.body, entry.body);
      await this.#write(this.#entries.filter(isSettled), undefined);
    });
  }

  /** Resolves after the next `enqueue` of the type; rejects with the signal's reason. */
  async changed(type: OutboxType, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const stop = () => reject(signal.reason);
    const waiting = this.#waiting.get(type) ?? new Set();
    this.#waiting.set(type, waiting.add(resolve));
    signal.addEventListener("abort", stop, { once: true });
    try {
      await promise;
    } finally {
      waiting.delete(resolve);
      signal.removeEventListener("abort", stop);
    }
  }

  #entryFor({ place }: Placement): OutboxEntry | undefined {
    if (place === undefined) return undefined;
    const { body, instead } = place;
    const key = instead?.key ?? `${prefix}${String(this.#nextNumber).padStart(numberDigits, "0")}`;
    return { key, body, bytes: encodeBodyAtRest(body).length };
  }

  async #write(remove: readonly OutboxEntry[], added: OutboxEntry | undefined): Promise<void> {
    if (remove.length === 0 && added === undefined) return;
    const changes: StateChange[] = remove.map(({ key }) => ({ delete: key }));
    if (added !== undefined) changes.push({ put: added.key, value: encodeBodyAtRest(added.body) });
    await this.#state.write(changes);
    const kept = this.#entries.filter((entry) => !remove.includes(entry));
    if (added === undefined) this.#entries = kept;
    else if (kept.some(({ key }) => key === added.key)) {
      this.#entries = kept.map((entry) => (entry.key === added.key ? added : entry));
    } else {
      this.#entries = [...kept, added];
      this.#nextNumber++;
    }
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => {});
    return done;
  }
}

async function readEntry(state: StateStore, key: string, log: Log): Promise<OutboxEntry | undefined> {
  const bytes = (await state.read(key)) ?? new Uint8Array();
  try {
    return { key, body: requireOutboxBody(decodeBodyAtRest(bytes)), bytes: bytes.length };
  } catch (error) {
    if (!isFleetError(error, "message-invalid", "version-unsupported")) throw error;
    log.error({ error, key }, "outbox entry unreadable");
    return undefined;
  }
}

function requireOutboxBody(body: Body): OutboxBody {
  if (body.type === "event" || body.type === "ack" || body.type === "report") return body;
  throw new FleetError("message-invalid", `a ${body.type} does not belong in the outbox`);
}

const defaultBounds: OutboxBounds = { maxEntries: 1000, maxBytes: 1024 * 1024 };
/** Far above any bound: what was stored under a higher bound is still read. */
const maxStored = 100_000;
const prefix = "outbox/";
const numberDigits = 16;
