import { type Duration, FleetError, isFleetError } from "@fleetcert/shared";
import type { StateStore, Surroundings, TimeKeeper } from "../ports.ts";
import { putTwin, readTwin } from "../twin/twin-record.ts";
import type { Effect } from "./effect.ts";
import type { RenewalEvent } from "./event.ts";
import { Mailbox } from "./mailbox.ts";
import { type EffectTools, failureOf, isSameWork, performEffect, type Work } from "./perform-effect.ts";
import { reduce } from "./reduce.ts";
import type { RenewalRules } from "./schedule.ts";
import type { RenewalSettings } from "./settings.ts";
import { emptySlot, generationUnderWay, type RenewalWindow, type SlotState } from "./slot-state.ts";
import { decodeSlotState, encodeSlotState } from "./slot-state-codec.ts";

/** What the reducer of one slot is run with. */
export interface RenewalRunnerOptions {
  readonly tools: EffectTools;
  readonly store: StateStore;
  readonly time: TimeKeeper;
  readonly settings: Omit<RenewalSettings, "rules">;
  /** What the controller last said of when this slot may be renewed. */
  readonly rules: () => RenewalRules;
  readonly surroundings: Surroundings;
  /** Told after every durable change; must not throw. */
  readonly changed: (state: SlotState) => void;
}

/**
 * Performs what the reducer asks for, one effect after the other, each only after the state it follows from is durable.
 * When the store fails, the run ends: what a failed write left behind is only known after the store was opened again.
 */
export class RenewalRunner {
  readonly #options: RenewalRunnerOptions;
  readonly #events = new Mailbox<RenewalEvent>();
  readonly #work = new Mailbox<Work>();
  #state: SlotState;
  #underWay: Work | undefined;
  #sleep = new AbortController();
  readonly #onlookers = new Set<(state: SlotState) => void>();

  private constructor(options: RenewalRunnerOptions, state: SlotState) {
    this.#options = options;
    this.#state = state;
  }

  /** Reads the journal. Throws `store-corrupt` when it is damaged. */
  static async open(options: RenewalRunnerOptions): Promise<RenewalRunner> {
    const bytes = await readTwin(options.store, slotKey(options.tools.slot));
    return new RenewalRunner(options, bytes === undefined ? emptySlot : decodeSlotState(bytes));
  }

  get state(): SlotState {
    return this.#state;
  }

  /** An operator wants a new generation, or the device its first. */
  want(): void {
    this.#events.put({ type: "wanted" });
  }

  /** A session with the controller is live. */
  connected(): void {
    this.#events.put({ type: "connected" });
  }

  /** A signed time came without a session. */
  anchored(): void {
    this.#events.put({ type: "anchored" });
  }

  /** A person permitted this device to enrol anew by its claim, from this generation on. */
  permit(generation: number): void {
    this.#events.put({ type: "permitted", generation });
  }

  /** The controller assigned a window, or took it back. */
  assign(window: RenewalWindow | undefined): void {
    this.#events.put({ type: "window", window });
  }

  /** The controller retired the device: its keys are destroyed, and nothing is asked for any more. */
  retire(): void {
    this.#events.put({ type: "retired" });
  }

  /** Something happened that no effect of this runner brought about: a courier came. */
  tell(event: RenewalEvent): void {
    this.#events.put(event);
  }

  /** The first durable state from now on that is as wished. Rejects with `timeout`. */
  async until(isWished: (state: SlotState) => boolean, patience: Duration): Promise<SlotState> {
    if (isWished(this.#state)) return this.#state;
    const { timer } = this.#options.surroundings;
    const { promise, resolve } = Promise.withResolvers<SlotState>();
    const done = new AbortController();
    const look = (state: SlotState) => {
      if (isWished(state)) resolve(state);
    };
    this.#onlookers.add(look);
    const late = timer.sleep(patience, done.signal).then(() => {
      const { journal } = this.#state;
      throw new FleetError(
        "timeout",
        `the ${this.#options.tools.slot} slot is still ${journal.at} after ${patience} ms`,
      );
    });
    late.catch(() => undefined);
    try {
      return await Promise.race([promise, late]);
    } finally {
      this.#onlookers.delete(look);
      done.abort();
    }
  }

  /** What the exposed files are made of has changed; a rotation under way writes them anyway. */
  exposeAgain(): void {
    const { current, journal } = this.#state;
    if (current !== undefined && journal.at === "idle") this.#work.put({ do: "expose", credential: current });
  }

  /** Runs until the signal ends it; an effect under way is told to stop and waited for. Rejects when the store fails. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const until = AbortSignal.any([signal, stop.signal]);
    const close = () => {
      this.#events.close();
      this.#work.close();
    };
    if (until.aborted) return;
    until.addEventListener("abort", close, { once: true });
    this.#events.put({ type: "started" });
    try {
      await Promise.all([this.#reduceEvents(until), this.#performEffects(until)]);
    } finally {
      stop.abort();
    }
  }

  async #reduceEvents(signal: AbortSignal): Promise<void> {
    for (let event = await this.#events.take(); event !== undefined; event = await this.#events.take()) {
      await this.#accept(event, signal);
    }
  }

  async #performEffects(signal: AbortSignal): Promise<void> {
    for (let work = await this.#work.take(); work !== undefined; work = await this.#work.take()) {
      this.#underWay = work;
      await this.#perform(work, signal);
      this.#underWay = undefined;
    }
  }

  async #accept(event: RenewalEvent, signal: AbortSignal): Promise<void> {
    const { time, store, tools, rules, surroundings } = this.#options;
    const settings = { ...this.#options.settings, rules: rules() };
    const { at, status } = time.estimate();
    const moment = { now: at, jitter: surroundings.random.fraction(), isAnchored: status === "anchored" };
    const { state, effects } = reduce(this.#state, event, moment, settings);
    if (state !== this.#state) {
      await store.write(putTwin(slotKey(tools.slot), encodeSlotState(state)));
      await this.#moved(state);
    }
    for (const effect of effects) this.#start(effect, signal);
  }

  async #moved(state: SlotState): Promise<void> {
    const { tools, surroundings, changed } = this.#options;
    const hasMoved = state.journal.at !== this.#state.journal.at;
    this.#state = state;
    const { journal, lastError, attempts, abandoned } = state;
    const fields = { slot: tools.slot, journal: journal.at, generation: generationUnderWay(state) };
    if (hasMoved) surroundings.log.info(fields, "renewal moved on");
    else if (lastError !== "")
      surroundings.log.warn({ ...fields, code: lastError, attempts, abandoned }, "renewal waits");
    changed(state);
    for (const look of this.#onlookers) look(state);
    if (hasMoved) await surroundings.failpoint(`renewal.${journal.at}`);
  }

  #start(effect: Effect, signal: AbortSignal): void {
    if (effect.do === "sleep") this.#sleepFor(effect.duration, signal);
    else if (effect.do === "report") this.#options.tools.actions.report();
    else if (!this.#isUnderWay(effect)) this.#work.put(effect);
  }

  #isUnderWay(effect: Work): boolean {
    const current = this.#underWay;
    return (current !== undefined && isSameWork(current, effect)) || this.#work.holds((one) => isSameWork(one, effect));
  }

  async #perform(work: Work, signal: AbortSignal): Promise<void> {
    const { tools, surroundings } = this.#options;
    try {
      const result = await performEffect(work, tools, signal);
      if (result === undefined) return;
      await surroundings.failpoint(`renewal.after-${work.do}`);
      this.#events.put(result);
    } catch (error) {
      if (signal.aborted) return;
      surroundings.log.warn({ error, slot: tools.slot, doing: work.do }, "renewal step failed");
      const code = isFleetError(error) ? error.code : "internal";
      const reason = error instanceof Error ? error.message : String(error);
      this.#events.put(failureOf(work, { code, reason, retryAfter: 0 }));
    }
  }

  /** A newer sleep replaces the one before. */
  #sleepFor(duration: Duration, signal: AbortSignal): void {
    this.#sleep.abort();
    const sleep = new AbortController();
    this.#sleep = sleep;
    this.#options.surroundings.timer.sleep(duration, AbortSignal.any([sleep.signal, signal])).then(
      () => this.#events.put({ type: "woke" }),
      () => undefined,
    );
  }
}

/** Name of a slot's state in the store; kept as a twin, since nothing else says which key is the one in use. */
export function slotKey(slot: string): string {
  return `slot/${slot}`;
}
