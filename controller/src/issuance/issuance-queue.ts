import { FleetError, type Instant } from "@fleetcert/shared";

/** How much one issuance matters while many wait. */
export interface Urgency {
  /** End of the certificate that is renewed; undefined for a device's first. */
  readonly expiresAt: Instant | undefined;
}

/**
 * Lets a few issuances run at once and the others wait: renewals before first certificates, and of those the one that ends
 * soonest first. A fleet that comes back all at once so loses no certificate to newcomers. First certificates beyond a bound are
 * turned away with `rate-limited`; their devices have nothing to lose and ask again.
 */
export class IssuanceQueue {
  readonly #limits: { readonly running: number; readonly waitingFirst: number };
  /** In the order of their turns. */
  readonly #waiting: { readonly urgency: Urgency; readonly begin: () => void }[] = [];
  #firstWaiting = 0;
  #running = 0;

  constructor(limits: { readonly running: number; readonly waitingFirst: number }) {
    this.#limits = limits;
  }

  async take<T>(urgency: Urgency, work: () => Promise<T>): Promise<T> {
    await this.#turn(urgency);
    try {
      return await work();
    } finally {
      this.#running--;
      this.#next();
    }
  }

  #turn(urgency: Urgency): Promise<void> {
    if (this.#running < this.#limits.running) {
      this.#running++;
      return Promise.resolve();
    }
    const isFirst = urgency.expiresAt === undefined;
    if (isFirst && this.#firstWaiting >= this.#limits.waitingFirst) {
      throw new FleetError("rate-limited", `${this.#limits.waitingFirst} devices wait for their first certificate`, {
        hint: "the device asks again by itself",
        retry: true,
      });
    }
    if (isFirst) this.#firstWaiting++;
    return new Promise((begin) => this.#waiting.splice(this.#placeOf(urgency), 0, { urgency, begin }));
  }

  /** Behind all that are as urgent, found by halving: a whole fleet may wait. */
  #placeOf(urgency: Urgency): number {
    let low = 0;
    let high = this.#waiting.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const there = this.#waiting[middle];
      if (there !== undefined && isMoreUrgent(urgency, there.urgency)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #next(): void {
    const next = this.#waiting.shift();
    if (next === undefined) return;
    if (next.urgency.expiresAt === undefined) this.#firstWaiting--;
    this.#running++;
    next.begin();
  }
}

/** Whether the first goes before the second; equals keep their order. */
function isMoreUrgent(a: Urgency, b: Urgency): boolean {
  return (a.expiresAt ?? Number.POSITIVE_INFINITY) < (b.expiresAt ?? Number.POSITIVE_INFINITY);
}
