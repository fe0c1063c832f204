import type { Duration, Instant } from "@fleetcert/shared";
import type { Effect } from "../../agent/src/renewal/effect.ts";
import type { Moment, RenewalEvent } from "../../agent/src/renewal/event.ts";
import { type RenewalSettings, reduce } from "../../agent/src/renewal/reduce.ts";
import { noRules } from "../../agent/src/renewal/schedule.ts";
import { emptySlot, type KeyRecord, referencedKeys, type SlotState } from "../../agent/src/renewal/slot-state.ts";
import { decodeSlotState, encodeSlotState } from "../../agent/src/renewal/slot-state-codec.ts";
import { aRenewalController, type ModelCertificate, type RenewalController } from "./renewal-controller.ts";
import { SeededRandom } from "./seeded-random.ts";

/** How the world may be broken on purpose, to see that the sweep notices. */
export interface RenewalFaults {
  readonly reduce?: typeof reduce;
  /** A write that was acknowledged may be lost in a power cut. */
  readonly losesWrites?: boolean;
  /** A key left behind by a crash is not looked for. */
  readonly forgetsOrphans?: boolean;
}

/**
 * One slot in a world that a seed decides: the real reducer, a disk, a token, a controller, a clock. Power fails before and after
 * every write and every effect, answers are lost, come late and twice, the token fails, the wall clock jumps by up to 20 years.
 */
export class RenewalWorld {
  readonly violations: string[] = [];
  readonly controller: RenewalController;
  readonly #random: SeededRandom;
  readonly #faults: RenewalFaults;
  /** What the disk holds, as it would be read. */
  #disk: SlotState = emptySlot;
  #previousDisk: SlotState = emptySlot;
  readonly #token = new Map<string, { readonly label: number }>();
  /** Another token is in the slot for a while: no key is found, and destroying one does nothing. */
  #isTokenAway = false;
  /** The process; lost in a power cut. */
  #state: SlotState = emptySlot;
  #events: RenewalEvent[] = [];
  #work: Effect[] = [];
  #wakesAt: Duration | undefined;
  #isAnchored = false;
  /** The world around. */
  #elapsed: Duration = 0;
  #wallOffset: Duration = 0;
  #isFaulty = true;
  /** Each life has its own mix of faults, because faults hide one another. */
  readonly #odds: { readonly crash: number; readonly token: number; readonly loss: number; readonly leap: number };
  /** Answers that came over the network; any of them may come again, however late. */
  readonly #history: RenewalEvent[] = [];
  #keyCount = 0;
  #highest = 0;

  constructor(seed: number, faults: RenewalFaults = {}) {
    this.#random = new SeededRandom(seed);
    this.#faults = faults;
    this.controller = aRenewalController(this.#random);
    this.#odds = {
      crash: this.#random.pick([0, 0.01, 0.05]),
      token: this.#random.pick([0, 0.02, 0.1]),
      loss: this.#random.pick([0, 0.1, 0.3]),
      leap: this.#random.pick([0, 0.005, 0.02]),
    };
    this.#boot();
    this.#events.push({ type: "wanted" });
  }

  get durable(): SlotState {
    return this.#disk;
  }

  /** Safety: random steps with every fault there is. */
  runFaulty(steps: number): void {
    for (let step = 0; step < steps && this.violations.length === 0; step++) {
      this.#step();
      this.#checkSafety();
    }
  }

  /** Liveness: faults stop, the controller assigns a window for the next generation. How long it took; undefined for never. */
  heal(limit: Duration): Duration | undefined {
    this.#isFaulty = false;
    this.#isTokenAway = false;
    this.#wallOffset = 0;
    this.#connect();
    const since = this.#elapsed;
    const target = (this.durable.current?.generation ?? 0) + 1;
    const now = this.#trueTime();
    this.#events.push({ type: "window", window: { generation: target, start: now, end: now } });
    for (let step = 0; step < 1_000 && this.violations.length === 0; step++) {
      if ((this.durable.current?.generation ?? 0) >= target) return this.#elapsed - since;
      if (this.#isIdle()) this.#passTime();
      if (this.#elapsed - since > limit) return undefined;
      this.#advance();
      this.#checkSafety();
    }
    return undefined;
  }

  #step(): void {
    const random = this.#random;
    const dice = random.fraction();
    if (dice < 0.6) this.#advance();
    else if (dice < 0.75) this.#passTime();
    else if (dice < 0.75 + this.#odds.crash) this.#cutPower();
    else if (dice < 0.85) this.#wallOffset = (random.fraction() - 0.5) * 40 * year;
    else if (dice < 0.92) this.#events.push(random.pick(this.#strayEvents()));
    else if (dice < 0.97) this.#connect();
    else if (dice < 0.97 + this.#odds.token / 10) this.#losePendingKey();
    else if (dice < 0.975 + this.#odds.token / 20) this.#isTokenAway = !this.#isTokenAway;
    else if (dice < 0.98 + this.#odds.leap) this.#elapsed += random.fraction() * 120 * day;
  }

  /** One event is taken, or one effect performed. */
  #advance(): void {
    const takesEvent = this.#events.length > 0 && (this.#work.length === 0 || this.#random.chance(0.5));
    if (takesEvent) this.#takeEvent();
    else if (this.#work.length > 0) this.#perform();
  }

  #takeEvent(): void {
    const event = this.#events.shift();
    if (event === undefined) return;
    const { state, effects } = (this.#faults.reduce ?? reduce)(this.#state, event, this.#moment(), renewalSettings);
    if (state === this.#state || this.#write(state)) this.#start(effects);
    else this.#cutPower();
  }

  /** False when the power failed before or after the write. */
  #write(state: SlotState): boolean {
    if (this.#failsNow()) return false;
    this.#previousDisk = this.#disk;
    this.#disk = decodeSlotState(encodeSlotState(state));
    this.#state = state;
    return !this.#failsNow();
  }

  #start(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.do === "sleep") this.#wakesAt = this.#elapsed + effect.duration;
      else if (effect.do !== "report") this.#work.push(effect);
    }
  }

  #perform(): void {
    const effect = this.#work.shift();
    if (effect === undefined) return;
    const isBefore = this.#failsNow();
    const isTokenFault = this.#isFaulty && this.#random.chance(this.#odds.token);
    const result = isBefore || isTokenFault ? failure(effect, "token-error") : this.#resultOf(effect);
    if (isBefore || this.#failsNow()) this.#cutPower();
    else this.#finish(effect, result);
  }

  #finish(effect: Effect, result: RenewalEvent | undefined): void {
    if (!this.#isTokenAway && result?.type !== "failed") this.#checkOrphans(effect, result);
    if (result === undefined) return;
    if (effect.do === "request" || effect.do === "prove") this.#history.push(result);
    this.#events.push(result);
    if (this.#isFaulty && this.#random.chance(this.#odds.loss)) this.#events.push(result);
  }

  #resultOf(effect: Effect): RenewalEvent | undefined {
    switch (effect.do) {
      case "collect":
        for (const [id, { label }] of this.#token) {
          if (!this.#isTokenAway && label <= effect.upTo && !effect.keep.includes(id)) this.#token.delete(id);
        }
        return undefined;
      case "generate":
        if (this.#isTokenAway) return failure(effect, "token-error");
        return { type: "keyReady", generation: effect.generation, key: this.#generate(effect) };
      case "makeCsr":
        return this.#finds(effect.key.id)
          ? { type: "csrReady", keyId: effect.key.id, csr: new Uint8Array([1]) }
          : failure(effect, "key-not-found");
      case "request":
        return this.#request(effect);
      case "install":
        return this.#finds(effect.next.key.id)
          ? { type: "installed", keyId: effect.next.key.id }
          : failure(effect, "key-not-found");
      case "prove":
        return this.#prove(effect);
      case "destroy":
        if (!this.#isTokenAway) this.#token.delete(effect.key.id);
        return { type: "destroyed", keyId: effect.key.id };
      default:
        return undefined;
    }
  }

  #generate({ generation, inUse }: Extract<Effect, { do: "generate" }>): KeyRecord {
    const isOrphan = ([id, { label }]: [string, { label: number }]) => label === generation && !inUse.includes(id);
    const [found, ...others] = [...this.#token].filter(isOrphan).map(([id]) => id);
    if (found !== undefined && this.#faults.forgetsOrphans !== true) {
      for (const other of others) this.#token.delete(other);
      return { ref: found, id: found };
    }
    this.#keyCount += 1;
    const id = `key-${this.#keyCount}`;
    this.#token.set(id, { label: generation });
    return { ref: id, id };
  }

  #request(effect: Extract<Effect, { do: "request" }>): RenewalEvent {
    const { asker } = effect;
    if (!this.#finds(effect.key.id)) return failure(effect, "key-not-found");
    if (asker !== undefined && !this.#finds(asker.key.id)) return failure(effect, "key-store-unavailable");
    if (this.#isLost()) return failure(effect, "timeout");
    if (this.#isLost()) return failure(effect, this.#random.pick(refusals), 60_000);
    this.#isAnchored = true;
    const { generation, key } = effect;
    const answer = this.controller.issue({ generation, keyId: key.id, asker: asker?.key.id }, this.#trueTime());
    if (typeof answer === "string") return failure(effect, answer);
    return this.#isLost() ? failure(effect, "timeout") : { type: "issued", keyId: effect.key.id, issued: answer };
  }

  #prove(effect: Extract<Effect, { do: "prove" }>): RenewalEvent {
    const { id } = effect.next.key;
    if (!this.#finds(id)) return failure(effect, "key-not-found");
    if (this.#isLost()) return failure(effect, "offline");
    // A session that is refused gives no time.
    if (this.#trueTime() > effect.next.notAfter) return failure(effect, "denied");
    this.#isAnchored = true;
    const answer = this.controller.confirm(id);
    if (answer === "denied") return failure(effect, "denied");
    return this.#isLost() ? failure(effect, "timeout") : { type: "proven", keyId: id, grace: answer.grace };
  }

  /** An expired credential gets no session, and so no time. */
  #connect(): void {
    const { current } = this.#state;
    if (current === undefined || this.#trueTime() > current.notAfter) return;
    this.#isAnchored = true;
    this.#events.push({ type: "connected" });
  }

  #passTime(): void {
    if (this.#wakesAt === undefined) {
      this.#elapsed += 60_000;
      return;
    }
    this.#elapsed = Math.max(this.#elapsed, this.#wakesAt);
    this.#wakesAt = undefined;
    this.#events.push({ type: "woke" });
  }

  #cutPower(): void {
    this.#events = [];
    this.#work = [];
    this.#wakesAt = undefined;
    this.#isAnchored = false;
    if (this.#faults.losesWrites === true && this.#random.chance(0.5)) this.#disk = this.#previousDisk;
    this.#boot();
  }

  #boot(): void {
    this.#state = this.durable;
    this.#events.push({ type: "started" });
    if (this.#state.current === undefined) this.#events.push({ type: "wanted" });
  }

  /** A token loses a key that nobody has proven yet; losing a proven one is beyond any journal's help. */
  #losePendingKey(): void {
    const proven = new Set(this.controller.certificates.filter(({ proofs }) => proofs > 0).map(({ keyId }) => keyId));
    const pending = [...this.#token.keys()].find((id) => !proven.has(id));
    if (pending !== undefined) this.#token.delete(pending);
  }

  #strayEvents(): RenewalEvent[] {
    const now = this.#moment().now;
    const generation = (this.#state.current?.generation ?? 0) + this.#random.below(3);
    const window = { generation, start: now - day, end: now + this.#random.below(day) };
    return [...this.#history, { type: "woke" }, { type: "connected" }, { type: "wanted" }, { type: "window", window }];
  }

  #moment(): Moment {
    const now = Math.floor(this.#isAnchored ? this.#trueTime() : this.#trueTime() + this.#wallOffset);
    return { now, jitter: this.#random.fraction(), isAnchored: this.#isAnchored };
  }

  #trueTime(): Instant {
    return Math.floor(start + this.#elapsed);
  }

  #isIdle(): boolean {
    return this.#events.length === 0 && this.#work.length === 0;
  }

  #failsNow(): boolean {
    return this.#isFaulty && this.#random.chance(this.#odds.crash);
  }

  #isLost(): boolean {
    return this.#isFaulty && this.#random.chance(this.#odds.loss);
  }

  #checkSafety(): void {
    const { current, unproven, journal } = this.durable;
    this.violations.push(...this.controller.violations);
    const generation = current?.generation ?? 0;
    if (generation < this.#highest) this.violations.push(`I10: generation ${this.#highest} was proven and is lost`);
    this.#highest = Math.max(this.#highest, generation);
    if (this.controller.provenGeneration === 0) return;
    const held = [current, unproven, "next" in journal ? journal.next : undefined].filter((one) => one !== undefined);
    const isUsable = (one: (typeof held)[number]) => this.#token.has(one.key.id) && this.#isProven(one.key.id);
    if (!held.some(isUsable)) this.violations.push(`I1: no usable credential at ${journal.at}`);
  }

  #finds(keyId: string): boolean {
    return !this.#isTokenAway && this.#token.has(keyId);
  }

  #isProven(keyId: string): boolean {
    const certificate: ModelCertificate | undefined = this.controller.find(keyId);
    return certificate?.state === "proven";
  }

  /** After collecting, no orphan of a past generation; after generating, at most one beside the new key. */
  #checkOrphans(effect: Effect, result: RenewalEvent | undefined): void {
    const referenced = [...referencedKeys(this.durable), ...(result?.type === "keyReady" ? [result.key.id] : [])];
    const orphans = [...this.#token].filter(([id]) => !referenced.includes(id));
    const past = effect.do === "collect" ? orphans.filter(([, { label }]) => label <= effect.upTo) : [];
    const isKept = (id: string) => effect.do === "collect" && effect.keep.includes(id);
    if (past.some(([id]) => !isKept(id))) this.violations.push("I11: an orphan of a past generation was not collected");
    if (effect.do === "generate" && orphans.length > 1) {
      this.violations.push(`I11: ${orphans.length} keys that nobody refers to`);
    }
  }
}

/** The pace of the world's slot. */
export const renewalSettings: RenewalSettings = {
  backoff: { base: 5_000, cap: 900_000 },
  lookAgainAfter: 3_600_000,
  rules: noRules,
};

function failure(effect: Effect, code: string, retryAfter: Duration = 0): RenewalEvent {
  const keyId = "key" in effect ? effect.key.id : "next" in effect ? effect.next.key.id : "";
  return { type: "failed", doing: effect.do, keyId, code, reason: "", retryAfter };
}

const refusals = ["rate-limited", "policy-violation", "device-suspended", "key-weak", "a-code-of-tomorrow"];
const day = 86_400_000;
const year = 365 * day;
const start: Instant = Date.UTC(2026, 5, 15, 12);
