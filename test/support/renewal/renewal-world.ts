import type { Duration, Instant } from "@fleetcert/shared";
import type { Effect } from "../../../agent/src/renewal/effect.ts";
import type { Moment, RenewalEvent } from "../../../agent/src/renewal/event.ts";
import { keyStoreOf } from "../../../agent/src/renewal/key-store.ts";
import { reduce } from "../../../agent/src/renewal/reduce.ts";
import type { RenewalSettings } from "../../../agent/src/renewal/settings.ts";
import { emptySlot, type KeyRecord, type SlotState } from "../../../agent/src/renewal/slot-state.ts";
import { decodeSlotState, encodeSlotState } from "../../../agent/src/renewal/slot-state-codec.ts";
import { SeededRandom } from "../seeded-random.ts";
import { aRenewalController, type RenewalController } from "./renewal-controller.ts";
import {
  type FaultKind,
  failure,
  keyStores,
  noFaults,
  type RenewalFaults,
  refusals,
  renewalSettings,
  type SlotKind,
} from "./renewal-faults.ts";
import { RenewalKeys } from "./renewal-keys.ts";
import { RenewalPeople } from "./renewal-people.ts";
import { RenewalSafety } from "./renewal-safety.ts";
import { RenewalService } from "./renewal-service.ts";

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
  readonly #keys = new RenewalKeys();
  readonly #kind: SlotKind;
  readonly #service: RenewalService;
  readonly #people: RenewalPeople;
  readonly #safety: RenewalSafety;
  /** Where new keys are made, as the configuration says. */
  #home = "software";
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
  readonly #odds: Readonly<Record<"crash" | "token" | "loss" | "leap" | "stir", number>>;
  /** Answers that came over the network; any of them may come again, however late. */
  readonly #history: RenewalEvent[] = [];
  /** What went wrong in this life, by kind. */
  readonly faults: Record<FaultKind, number> = { ...noFaults };

  constructor(seed: number, faults: RenewalFaults = {}) {
    this.#random = new SeededRandom(seed);
    this.#faults = faults;
    this.#kind = faults.kind ?? "identity";
    this.#service = new RenewalService(this.#random);
    this.controller = aRenewalController(this.#random);
    this.#people = new RenewalPeople(this.controller);
    this.#safety = new RenewalSafety({
      ...{ kind: this.#kind, controller: this.controller, keys: this.#keys },
      ...{ service: this.#service, people: this.#people },
    });
    this.#odds = {
      crash: this.#random.pick([0, 0.01, 0.05]),
      token: this.#random.pick([0, 0.02, 0.1]),
      loss: this.#random.pick([0, 0.1, 0.3]),
      leap: this.#random.pick([0, 0.005, 0.02]),
      stir: this.#random.pick([0, 0.02, 0.1]),
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
    this.#endFaults();
    this.#connect();
    const since = this.#elapsed;
    let target = (this.durable.current?.generation ?? 0) + 1;
    const now = this.#trueTime();
    this.#events.push({ type: "window", window: { generation: target, start: now, end: now } });
    for (let step = 0; step < 1_000 && this.violations.length === 0; step++) {
      const help = this.#isIdle() ? this.#people.help(this.durable) : undefined;
      if (help?.type === "permitted") target = help.generation;
      if (help !== undefined) this.#events.push(help);
      if (this.#hasArrived(target)) return this.#elapsed - since;
      if (this.#isIdle()) this.#passTime();
      if (this.#elapsed - since > limit) return undefined;
      this.#advance();
      this.#checkSafety();
    }
    return undefined;
  }

  /** A person retires the device; from now on only its keys count. */
  retire(): void {
    this.#events.push(this.#people.retire());
  }

  /** Faults stop; whether a retired device has come to rest without a key. */
  comesToRest(): boolean {
    this.#endFaults();
    for (let step = 0; step < 1_000 && !(this.#isIdle() && this.#wakesAt === undefined); step++) {
      if (this.#isIdle()) this.#passTime();
      this.#advance();
    }
    const { journal } = this.durable;
    return this.#keys.all.size === 0 && journal.at === "retired" && journal.isErased;
  }

  #endFaults(): void {
    this.#isFaulty = false;
    this.#keys.isAway = false;
    this.#keys.broken = undefined;
    this.#service.heal();
    this.#wallOffset = 0;
  }

  /** At least the generation, its key where keys are to be, its service serving with it. */
  #hasArrived(target: number): boolean {
    const { current } = this.durable;
    if (current === undefined || current.generation < target) return false;
    if (this.#kind === "service") return this.#service.serves(current);
    return this.#kind !== "moving" || keyStoreOf(current.key.ref) === this.#home;
  }

  #step(): void {
    const random = this.#random;
    if (this.#kind !== "identity" && random.chance(this.#odds.stir)) this.#stir();
    const dice = random.fraction();
    if (dice < 0.6) this.#advance();
    else if (dice < 0.75) this.#passTime();
    else if (dice < 0.75 + this.#odds.crash) this.#cutPower();
    else if (dice < 0.85) this.#wallOffset = this.#meet("clock", (random.fraction() - 0.5) * 40 * year);
    else if (dice < 0.92)
      this.#events.push(
        random.pick([...this.#history, ...this.#people.strayEvents(this.#state, this.#moment(), random)]),
      );
    else if (dice < 0.97) this.#connect();
    else if (dice < 0.97 + this.#odds.token / 10) this.#losePendingKey();
    else if (dice < 0.975 + this.#odds.token / 20) this.#keys.isAway = this.#meet("token", !this.#keys.isAway);
    else if (dice < 0.985 && this.#kind === "identity") this.#events.push(...this.#people.revoke(random));
    else if (dice < 0.985 + this.#odds.leap) this.#elapsed += random.fraction() * 120 * day;
  }

  /** A person changes the service's configuration, or the key store that the agent is told to use. */
  #stir(): void {
    this.faults.configuration += 1;
    if (this.#kind === "service") this.#service.stir();
    else if (this.#random.chance(0.5)) this.#keys.broken = this.#random.pick(["", ...keyStores]) || undefined;
    else {
      this.#home = this.#random.pick(keyStores);
      this.#restart();
    }
  }

  #settings(): RenewalSettings {
    if (this.#kind === "moving") return { ...renewalSettings, home: this.#home };
    return this.#kind === "service" ? { ...renewalSettings, kind: "service" } : renewalSettings;
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
    const { state, effects } = (this.#faults.reduce ?? reduce)(this.#state, event, this.#moment(), this.#settings());
    if (state === this.#state || this.#write(state)) this.#start(effects);
    else this.#cutPower();
  }

  /** False when the power failed before or after the write. */
  #write(state: SlotState): boolean {
    if (this.#failsNow()) return false;
    this.#previousDisk = this.#disk;
    this.#disk = state;
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
    if (isTokenFault) this.faults.token += 1;
    const result = isBefore || isTokenFault ? failure(effect, "token-error") : this.#resultOf(effect);
    if (isBefore || this.#failsNow()) this.#cutPower();
    else this.#finish(effect, result);
  }

  #finish(effect: Effect, result: RenewalEvent | undefined): void {
    this.violations.push(...this.#safety.violationsAfter(effect, result, this.durable));
    if (result === undefined) return;
    if (effect.do === "request" || effect.do === "prove") this.#history.push(result);
    this.#events.push(result);
    if (this.#isLost()) this.#events.push(result);
  }

  #resultOf(effect: Effect): RenewalEvent | undefined {
    const key = "key" in effect ? effect.key : "next" in effect ? effect.next.key : undefined;
    const isOfKeyStore = ["makeCsr", "install", "destroy"].includes(effect.do) || this.#kind !== "service";
    if (key !== undefined && isOfKeyStore && this.#keys.isBroken(key)) return failure(effect, "token-error");
    switch (effect.do) {
      case "collect":
        this.#keys.collect(effect);
        return undefined;
      case "erase":
        if (!this.#keys.isWhole) return failure(effect, "token-error");
        this.#keys.collect({ keep: [], upTo: Number.MAX_SAFE_INTEGER });
        return { type: "erased" };
      case "generate":
        return this.#keys.findOrGenerate(effect, this.#faults.forgetsOrphans === true);
      case "makeCsr":
        return this.#keys.finds(effect.key)
          ? { type: "csrReady", keyId: effect.key.id, csr: new Uint8Array([1]) }
          : failure(effect, "key-not-found");
      case "request":
        return this.#request(effect);
      case "install":
        return this.#keys.finds(effect.next.key) ? this.#service.perform(effect) : failure(effect, "key-not-found");
      case "reload":
      case "verify":
      case "restore":
        return this.#service.perform(effect);
      case "expose":
        if (this.#kind === "service" && this.#keys.finds(effect.credential.key)) {
          this.#service.expose(effect.credential);
        }
        return undefined;
      case "prove":
        return this.#prove(effect);
      case "destroy":
        this.#keys.destroy(effect.key.id);
        return { type: "destroyed", keyId: effect.key.id };
      default:
        return undefined;
    }
  }

  #request(effect: Extract<Effect, { do: "request" }>): RenewalEvent {
    const { asker } = effect;
    if (!this.#keys.finds(effect.key)) return failure(effect, "key-not-found");
    // A service's request is signed by the identity, another slot.
    const isSigned = this.#kind === "service" || asker === undefined || this.#opens(asker.key);
    if (!isSigned) return failure(effect, "key-store-unavailable");
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
    const isOwnSession = this.#kind !== "service";
    if (isOwnSession && !this.#keys.finds(effect.next.key)) return failure(effect, "key-not-found");
    if (this.#isLost()) return failure(effect, "offline");
    // A session that is refused gives no time.
    if (isOwnSession && this.#trueTime() > effect.next.notAfter) return failure(effect, "denied");
    this.#isAnchored = true;
    const answer = this.controller.confirm(id);
    if (answer === "denied") return failure(effect, "denied");
    return this.#isLost() ? failure(effect, "timeout") : { type: "proven", keyId: id, grace: answer.grace };
  }

  /** An expired credential gets no session, and so no time. */
  #connect(): void {
    const { current } = this.#state;
    const isAble = current !== undefined && this.#trueTime() <= current.notAfter && this.#opens(current.key);
    if (this.#kind !== "service" && !isAble) return;
    this.#isAnchored = true;
    this.#events.push({ type: "connected" });
  }

  #passTime(): void {
    // In a whole world there is always a session soon.
    if (!this.#isFaulty) this.#connect();
    if (this.#wakesAt === undefined) {
      this.#elapsed += 60_000;
      return;
    }
    this.#elapsed = Math.max(this.#elapsed, this.#wakesAt);
    this.#wakesAt = undefined;
    this.#events.push({ type: "woke" });
  }

  #cutPower(): void {
    this.faults.crash += 1;
    this.#service.restart();
    this.#restart();
  }

  #restart(): void {
    this.#events = [];
    this.#work = [];
    this.#wakesAt = undefined;
    this.#isAnchored = false;
    if (this.#faults.losesWrites === true && this.#random.chance(0.5)) this.#disk = this.#previousDisk;
    this.#boot();
  }

  #boot(): void {
    this.#state = decodeSlotState(encodeSlotState(this.durable));
    this.#disk = this.#state;
    this.#events.push({ type: "started" });
    if (this.#state.current === undefined) this.#events.push({ type: "wanted" });
    this.#events.push(...this.#people.standing);
  }

  /** A token loses a key that nobody has proven yet; losing a proven one is beyond any journal's help. */
  #losePendingKey(): void {
    const proven = new Set(this.controller.certificates.filter(({ proofs }) => proofs > 0).map(({ keyId }) => keyId));
    const pending = [...this.#keys.all.keys()].find((id) => !proven.has(id));
    // What a service serves already is as good as proven.
    if (pending === undefined || pending === this.#service.served || pending === this.#service.files) return;
    this.#keys.all.delete(pending);
    this.faults.token += 1;
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
    if (!this.#isFaulty || !this.#random.chance(this.#odds.loss)) return false;
    this.faults.network += 1;
    return true;
  }

  /** Counts a fault. */
  #meet<T>(kind: FaultKind, change: T): T {
    this.faults[kind] += 1;
    return change;
  }

  #opens(key: KeyRecord): boolean {
    return this.#keys.finds(key) && !this.#keys.isBroken(key);
  }

  #checkSafety(): void {
    this.violations.push(...this.#safety.violationsOf(this.durable, this.#trueTime()));
  }
}

const day = 86_400_000;
const year = 365 * day;
const start: Instant = Date.UTC(2026, 5, 15, 12);
