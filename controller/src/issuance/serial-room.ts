import { type Duration, FleetError, IndexSet, type Instant, Serial } from "@fleetcert/shared";
import type { CounterAnchor, RandomSource } from "../ports.ts";
import type { ShardRecord } from "../records.ts";
import type { Store, Transaction } from "../store-port.ts";
import { Turns } from "../turns.ts";

/** Gives out serials: dense indices in shards of notAfter, never beyond what is anchored outside the database. */
export class SerialRoom {
  readonly #parts: SerialRoomParts;
  readonly #turns = new Turns({ maxWaiting: 1024 });

  constructor(parts: SerialRoomParts) {
    this.#parts = parts;
  }

  /**
   * Takes the next index for a notAfter, inside the caller's transaction; undefined when there is no room, then nothing
   * is written and {@link reserve} makes some.
   */
  async take(tx: Transaction, { issuer, notAfter }: SerialNeed): Promise<TakenSerial | undefined> {
    const shard = shardOf(await tx.shards.listOf(issuer), notAfter);
    if (shard === undefined || shard.nextIndex >= shard.coveredTo) return undefined;
    await tx.shards.put({ ...shard, nextIndex: shard.nextIndex + 1 });
    const index = shard.nextIndex;
    const serial = Serial.make({ shard: shard.shard, index, random13: this.#parts.random.bytes(13) });
    return { serial, shard: shard.shard, index, isRunningLow: shard.coveredTo - index <= blockLength / 2 };
  }

  /** Reserves a block of indices ahead of issuance, anchored before it is usable; opens the shard when there is none. */
  async reserve(need: SerialNeed): Promise<void> {
    await this.#turns.take(need.issuer, () => this.#reserve(need));
  }

  /**
   * Skips every index the anchor says may have been used, and brings back shards the anchor knows and the store does not:
   * an older database may have been put in place.
   */
  async skipToAnchor(issuer: string): Promise<void> {
    const { store, anchor, span } = this.#parts;
    for (let shard = 0; shard <= lastShard; shard++) {
      const notAfterTo = await anchor.read(endOf(issuer, shard));
      if (notAfterTo === 0) return;
      const anchored = await anchor.read(counterOf(issuer, shard));
      await store.transaction(async (tx) => {
        const lost = { issuer, shard, notAfterFrom: notAfterTo - span, notAfterTo, nextIndex: 0, coveredTo: 0 };
        const present = (await tx.shards.find(issuer, shard)) ?? lost;
        if (present.nextIndex >= anchored) return;
        await tx.shards.put({ ...present, nextIndex: anchored, coveredTo: Math.max(anchored, present.coveredTo) });
      });
    }
  }

  async #reserve({ issuer, notAfter }: SerialNeed): Promise<void> {
    const { store, anchor, roomGrew } = this.#parts;
    const shards = await store.transaction((tx) => tx.shards.listOf(issuer));
    const shard = shardOf(shards, notAfter) ?? (await this.#newShard(shards, { issuer, notAfter }));
    if (shard.coveredTo - shard.nextIndex > blockLength / 2) return;
    const coveredTo = Math.min(Math.max(shard.coveredTo, shard.nextIndex) + blockLength, lastIndex);
    await anchor.raise(counterOf(issuer, shard.shard), coveredTo);
    await store.transaction(async (tx) => {
      const present = (await tx.shards.find(issuer, shard.shard)) ?? shard;
      await tx.shards.put({ ...present, coveredTo: Math.max(present.coveredTo, coveredTo) });
    });
    roomGrew(issuer);
  }

  async #newShard(shards: readonly ShardRecord[], { issuer, notAfter }: SerialNeed): Promise<ShardRecord> {
    const shard = Math.max(-1, ...shards.map((one) => one.shard)) + 1;
    if (shard > lastShard) throw new FleetError("conflict", `issuer ${issuer} has used all ${lastShard + 1} shards`);
    const { span, anchor } = this.#parts;
    const notAfterFrom = Math.floor(notAfter / span) * span;
    await anchor.raise(endOf(issuer, shard), notAfterFrom + span);
    const anchored = await anchor.read(counterOf(issuer, shard));
    return { issuer, shard, notAfterFrom, notAfterTo: notAfterFrom + span, nextIndex: anchored, coveredTo: anchored };
  }
}

/** What {@link SerialRoom} is given. */
export interface SerialRoomParts {
  readonly store: Store;
  readonly anchor: CounterAnchor;
  readonly random: RandomSource;
  /** Width of a shard in notAfter. */
  readonly span: Duration;
  /** Called when a reservation grew, so that the covered range can be published before it is needed. */
  readonly roomGrew: (issuer: string) => void;
}

/** Whose serial, and until when its certificate is valid. */
export interface SerialNeed {
  readonly issuer: string;
  readonly notAfter: Instant;
}

/** A serial that is used up, whatever becomes of its certificate. */
export interface TakenSerial {
  readonly serial: Serial;
  readonly shard: number;
  readonly index: number;
  /** More than half of the reserved block is used. */
  readonly isRunningLow: boolean;
}

/** The newest shard whose range holds the notAfter and that is not full. */
function shardOf(shards: readonly ShardRecord[], notAfter: Instant): ShardRecord | undefined {
  return shards.findLast(
    (one) => one.notAfterFrom <= notAfter && notAfter < one.notAfterTo && one.nextIndex < lastIndex,
  );
}

const endOf = (issuer: string, shard: number): string => `shard-end/${issuer}/${shard}`;
const counterOf = (issuer: string, shard: number): string => `index/${issuer}/${shard}`;

/** Indices reserved at once; DESIGN.md section 7.4: extended at half use. */
const blockLength = 1024;
/** A full shard closes; what a snapshot can hold is what a shard can hold. */
const lastIndex = IndexSet.maxSize;
const lastShard = 0xffff;
