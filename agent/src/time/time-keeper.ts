import {
  acceptTime,
  beginTime,
  type Clock,
  type ClockReading,
  type Duration,
  enterEra,
  estimateTime,
  FleetError,
  type Instant,
  isFleetError,
  type TimeEvidence,
  type TimeFloor,
  type TimeKnowledge,
} from "@fleetcert/shared";
import type { Log, StateStore, TimeEstimate, TimeKeeper } from "../ports.ts";
import { putTwin, readTwin } from "../twin/twin-record.ts";

/** The agent's time keeper, with what only wiring and reports need. */
export interface OpenTimeKeeper extends TimeKeeper {
  /** Wall clock minus estimated time. */
  clockOffset(): Duration;
  /** A trust bundle of this era, signed by a root at this time, is in force. Idempotent; durable when it resolves. */
  enterEra(era: number, signedTime: Instant): Promise<void>;
}

/**
 * Opens the time keeper on its stored floor. A floor whose copies are both damaged is logged and begins again at the build
 * time: a device that never starts is worse than one that asks for the time.
 */
export async function openTimeKeeper(options: {
  readonly clock: Clock;
  readonly state: StateStore;
  /** The present is not before this. */
  readonly buildTime: Instant;
  readonly log: Log;
}): Promise<OpenTimeKeeper> {
  const { clock, state, buildTime, log } = options;
  const stored = await readFloor(state, log);
  return new DurableTimeKeeper({ clock, state, buildTime }, beginTime(readBoth(clock), { buildTime, stored }));
}

class DurableTimeKeeper implements OpenTimeKeeper {
  readonly #surroundings: { readonly clock: Clock; readonly state: StateStore; readonly buildTime: Instant };
  #knowledge: TimeKnowledge;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    surroundings: { readonly clock: Clock; readonly state: StateStore; readonly buildTime: Instant },
    knowledge: TimeKnowledge,
  ) {
    this.#surroundings = surroundings;
    this.#knowledge = knowledge;
  }

  estimate(): TimeEstimate {
    return estimateTime(this.#knowledge, readBoth(this.#surroundings.clock));
  }

  floor(): Instant {
    return this.#knowledge.floor.at;
  }

  clockOffset(): Duration {
    const reading = readBoth(this.#surroundings.clock);
    return reading.wall - estimateTime(this.#knowledge, reading).at;
  }

  async accept(signedTime: Instant, evidence: TimeEvidence, maxAge?: Duration): Promise<void> {
    if (!Number.isSafeInteger(signedTime) || signedTime < 0) {
      throw new FleetError("message-invalid", `${signedTime} is no time`);
    }
    await this.#change((knowledge, reading) =>
      acceptTime(knowledge, reading, { signedTime, evidence, ...(maxAge !== undefined && { maxAge }) }),
    );
  }

  async enterEra(era: number, signedTime: Instant): Promise<void> {
    const { buildTime } = this.#surroundings;
    await this.#change((knowledge, reading) => enterEra(knowledge, reading, { era, signedTime, buildTime }));
  }

  /** One change after the other; anchor and bounds count at once, the floor once it is on the disk. */
  #change(next: (knowledge: TimeKnowledge, reading: ClockReading) => TimeKnowledge): Promise<void> {
    const done = this.#writing.then(async () => {
      const { clock, state } = this.#surroundings;
      const changed = next(this.#knowledge, readBoth(clock));
      const { floor } = this.#knowledge;
      this.#knowledge = { ...changed, floor };
      if (changed.floor === floor) return;
      await state.write(putTwin(floorKey, encodeFloor(changed.floor)));
      this.#knowledge = { ...this.#knowledge, floor: changed.floor };
    });
    this.#writing = done.catch(() => {});
    return done;
  }
}

async function readFloor(state: StateStore, log: Log): Promise<TimeFloor | undefined> {
  try {
    const bytes = await readTwin(state, floorKey);
    return bytes === undefined ? undefined : decodeFloor(bytes);
  } catch (error) {
    if (!isFleetError(error, "store-corrupt")) throw error;
    log.error({ error: error.message }, "time floor lost");
    return undefined;
  }
}

function encodeFloor({ era, at }: TimeFloor): Uint8Array {
  return Buffer.from(JSON.stringify({ at, ...(era === undefined ? {} : { era }) }));
}

function decodeFloor(bytes: Uint8Array): TimeFloor {
  const { at, era } = JSON.parse(Buffer.from(bytes).toString()) as { at: Instant; era?: number };
  return { at, era };
}

function readBoth(clock: Clock): ClockReading {
  return { wall: clock.now(), monotonic: clock.monotonic() };
}

const floorKey = "time/floor";
