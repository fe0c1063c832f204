import type { Moment, RenewalEvent } from "../../../agent/src/renewal/event.ts";
import type { SlotState } from "../../../agent/src/renewal/slot-state.ts";
import type { SeededRandom } from "../seeded-random.ts";
import type { RenewalController } from "./renewal-controller.ts";

/** What persons do to a device: revoke it, permit it to enrol anew, retire it. The device hears it as events. */
export class RenewalPeople {
  readonly #controller: RenewalController;
  /** The generation of the claim that lies on the device; 0 before there is one. */
  #permission = 0;
  #isRetired = false;

  constructor(controller: RenewalController) {
    this.#controller = controller;
  }

  get hasRetired(): boolean {
    return this.#isRetired;
  }

  /** What a device hears again after a start, because it still is so. */
  get standing(): RenewalEvent[] {
    const permitted: RenewalEvent[] =
      this.#permission === 0 ? [] : [{ type: "permitted", generation: this.#permission }];
    return this.#isRetired ? [...permitted, { type: "retired" }] : permitted;
  }

  retire(): RenewalEvent {
    this.#isRetired = true;
    return { type: "retired" };
  }

  /** Revokes the device with all it has, and permits it anew at once or later. */
  revoke(random: SeededRandom): RenewalEvent[] {
    if (this.#controller.certificates.length === 0) return [];
    this.#controller.revoke();
    return random.chance(0.5) ? [this.#permit()] : [];
  }

  /** What a device that is to go on needs of a person now: a first claim, or another when its one use is lost. */
  help(state: SlotState): RenewalEvent | undefined {
    const { reenrolment, lastError, journal } = state;
    const isLost = "next" in journal && this.#controller.find(journal.next.key.id)?.state === "revoked";
    const isStuck = reenrolment === 0 || lastError === "claim-invalid" || isLost;
    return this.#controller.isRevoked && isStuck ? this.#permit() : undefined;
  }

  /** What may come at any time, and says nothing new or nothing that matters. */
  strayEvents(state: SlotState, { now }: Moment, random: SeededRandom): RenewalEvent[] {
    const current = state.current?.generation ?? 0;
    const start = now - day;
    const window = { generation: current + random.below(3), start, end: now + random.below(day) };
    const always = (["woke", "connected", "anchored", "wanted"] as const).map((type) => ({ type }));
    // A claim of before that still lies about.
    return [...always, { type: "permitted", generation: random.below(1 + current) }, { type: "window", window }];
  }

  #permit(): RenewalEvent {
    this.#permission = this.#controller.permit();
    return { type: "permitted", generation: this.#permission };
  }
}

const day = 86_400_000;
