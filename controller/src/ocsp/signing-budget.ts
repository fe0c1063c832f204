import type { Clock } from "@fleetcert/shared";

/** How many signatures strangers may cause within one second: nobody has to prove anything to ask. */
export class SigningBudget {
  readonly #clock: Pick<Clock, "now">;
  readonly #perSecond: number;
  #second = Number.NaN;
  #left = 0;

  constructor({ clock, perSecond }: { readonly clock: Pick<Clock, "now">; readonly perSecond: number }) {
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  /** Whether there is one more. */
  take(): boolean {
    const second = Math.floor(this.#clock.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#left = this.#perSecond;
    }
    if (this.#left === 0) return false;
    this.#left -= 1;
    return true;
  }
}
