import type { Duration, Instant } from "@fleetcert/shared";

/**
 * Which devices are online, as far as their messages tell: an external broker does not say who connects. Whoever was heard
 * counts as online until it is silent for longer than devices report. Instants are monotonic.
 */
export class Presence {
  readonly #silentAfter: Duration;
  /** In the order of silence, the longest first. */
  readonly #heardAt = new Map<string, Instant>();
  /** Those taken for online that were not heard over this session with the broker. */
  readonly #assumed = new Set<string>();

  constructor(silentAfter: Duration) {
    this.#silentAfter = silentAfter;
  }

  /** Notes a message: of one that was away, of one that was only taken for online, or of one that is known to be. */
  heard(device: string, now: Instant): "away" | "assumed" | "known" {
    const before = this.#assumed.delete(device) ? "assumed" : this.#heardAt.delete(device) ? "known" : "away";
    this.#heardAt.delete(device);
    if (before === "away" && this.#heardAt.size >= maxDevices) return "known";
    this.#heardAt.set(device, now);
    return before;
  }

  /** Takes devices for online that were heard before; those silent for too long are left out. Gives the others. */
  assume(devices: readonly { readonly device: string; readonly heardAt: Instant }[], now: Instant): string[] {
    const recent = devices.filter(({ device, heardAt }) => now - heardAt <= this.#silentAfter && !this.has(device));
    const known = [...this.#heardAt];
    this.#heardAt.clear();
    for (const { device, heardAt } of recent.toSorted((a, b) => a.heardAt - b.heardAt)) {
      this.#heardAt.set(device, heardAt);
      this.#assumed.add(device);
    }
    for (const [device, heardAt] of known) this.#heardAt.set(device, heardAt);
    return recent.map(({ device }) => device);
  }

  has(device: string): boolean {
    return this.#heardAt.has(device);
  }

  /** Whether it was online; it no longer is. */
  forget(device: string): boolean {
    this.#assumed.delete(device);
    return this.#heardAt.delete(device);
  }

  /** Takes out those that have been silent for too long. */
  takeSilent(now: Instant): string[] {
    const silent: string[] = [];
    for (const [device, at] of this.#heardAt) {
      if (now - at <= this.#silentAfter) break;
      silent.push(device);
      this.forget(device);
    }
    return silent;
  }

  /** Takes out all, with when they were heard. */
  takeAll(): { readonly device: string; readonly heardAt: Instant }[] {
    const all = [...this.#heardAt].map(([device, heardAt]) => ({ device, heardAt }));
    this.#heardAt.clear();
    this.#assumed.clear();
    return all;
  }
}

const maxDevices = 2_000_000;
