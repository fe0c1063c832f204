import { assertNever } from "@fleetcert/shared";
import type { Effect } from "../../../agent/src/renewal/effect.ts";
import type { RenewalEvent } from "../../../agent/src/renewal/event.ts";
import type { CredentialRecord } from "../../../agent/src/renewal/slot-state.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { failure } from "./renewal-faults.ts";

/** What a service serves, and what its files hold: the id of a key, or what was there before the first. */
type Served = string;

/** A service of the host as far as rotation meets it: it serves what it read last, and may refuse to read for a while. */
export class RenewalService {
  /** What it serves; it goes on with that when it cannot read its files. */
  served: Served = original;
  /** What its files hold. */
  files: Served = original;
  readonly violations: string[] = [];
  readonly #random: SeededRandom;
  /** Its configuration is broken: it neither reloads nor starts. */
  #isBroken = false;
  /** Certificates it does not take, whatever the configuration says otherwise. */
  #refused: Served | undefined;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** What was there before the first generation. */
  get servesOriginal(): boolean {
    return this.served === original;
  }

  /** One step of a rotation. */
  perform(effect: Extract<Effect, { do: "install" | "reload" | "verify" | "restore" }>): RenewalEvent {
    const result = { keyId: effect.next.key.id, round: effect.round };
    switch (effect.do) {
      case "install":
        this.files = effect.next.key.id;
        return { type: "installed", ...result };
      case "reload":
        return this.#reload() ? { type: "reloaded", ...result } : failure(effect, "hook-failed");
      case "verify":
        return this.serves(effect.next) ? { type: "verified", ...result } : failure(effect, "path-invalid");
      case "restore":
        this.files = effect.previous?.key.id ?? original;
        return this.#reload() ? { type: "restored", ...result } : failure(effect, "hook-failed");
      default:
        return assertNever(effect);
    }
  }

  /** Files that are not those of the credential in use are put right. */
  expose({ key }: CredentialRecord): void {
    if (this.files === key.id) return;
    this.files = key.id;
    this.#reload();
  }

  serves({ key }: CredentialRecord): boolean {
    return this.served === key.id;
  }

  /** Something changes that the agent has no part in. */
  stir(): void {
    if (this.#random.chance(0.3)) this.#isBroken = !this.#isBroken;
    else this.#refused = this.#random.chance(0.5) ? this.files : undefined;
  }

  /** The machine was off: a service that takes its files reads them at its start. */
  restart(): void {
    if (this.#random.chance(0.5)) this.#reload();
  }

  heal(): void {
    this.#isBroken = false;
    this.#refused = undefined;
  }

  /** What is served or lies in the files must have its key; `isUsable` says whether one has. */
  check(isUsable: (id: string) => boolean): void {
    for (const [what, id] of [
      ["is served", this.served],
      ["lies in the files", this.files],
    ] as const) {
      if (id !== original && !isUsable(id)) this.violations.push(`I1: what ${what} has no key any more`);
    }
  }

  /** False when it goes on with what it served. */
  #reload(): boolean {
    if (this.#isBroken || this.files === this.#refused) return false;
    this.served = this.files;
    return true;
  }
}

const original: Served = "original";
