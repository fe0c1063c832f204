import type { Instant } from "@fleetcert/shared";
import type { Effect } from "../../../agent/src/renewal/effect.ts";
import type { RenewalEvent } from "../../../agent/src/renewal/event.ts";
import { referencedKeys, type SlotState } from "../../../agent/src/renewal/slot-state.ts";
import type { RenewalController } from "./renewal-controller.ts";
import type { SlotKind } from "./renewal-faults.ts";
import type { RenewalKeys } from "./renewal-keys.ts";
import type { RenewalPeople } from "./renewal-people.ts";
import type { RenewalService } from "./renewal-service.ts";

/** What of a world the invariants look at. */
export interface SafetyParts {
  readonly kind: SlotKind;
  readonly controller: RenewalController;
  readonly keys: RenewalKeys;
  readonly service: RenewalService;
  readonly people: RenewalPeople;
}

/** The invariants of one slot, looked at after every step of its world. */
export class RenewalSafety {
  readonly #parts: SafetyParts;
  #highest = 0;

  constructor(parts: SafetyParts) {
    this.#parts = parts;
  }

  /** What the durable state violates now. */
  violationsOf(durable: SlotState, now: Instant): string[] {
    const { kind, controller, keys, service, people } = this.#parts;
    const found = [...controller.violations, ...service.violations];
    if (people.hasRetired) return found;
    const { current, unproven, journal } = durable;
    if (current !== undefined && !keys.all.has(current.key.id))
      found.push(`I1: the key in use is gone at ${journal.at}`);
    const generation = current?.generation ?? 0;
    if (generation < this.#highest) found.push(`I10: generation ${this.#highest} was proven and is lost`);
    this.#highest = Math.max(this.#highest, generation);
    if (kind === "service") service.check((id) => keys.all.has(id) || this.#isSpent(id, now));
    if (!controller.isTaken) return found;
    const held = [current, unproven, "next" in journal ? journal.next : undefined].filter((one) => one !== undefined);
    const isUsable = (one: (typeof held)[number]) => keys.all.has(one.key.id) && this.#isProven(one.key.id);
    return held.some(isUsable) ? found : [...found, `I1: no usable credential at ${journal.at}`];
  }

  /** What an effect that was performed violates. */
  violationsAfter(effect: Effect, result: RenewalEvent | undefined, durable: SlotState): string[] {
    const { keys, service, controller, people } = this.#parts;
    const found: string[] = [];
    // A key that was in the making when the device was retired meets keys that wait for erasing; none may be left at rest.
    if (keys.isWhole && !people.hasRetired && result?.type !== "failed") {
      const referenced = [...referencedKeys(durable), ...(result?.type === "keyReady" ? [result.key.id] : [])];
      found.push(...keys.orphanViolations(effect, referenced));
    }
    if (result?.type !== "restored") return found;
    // I13: a service that went back serves what was proven before, or what it served before there was an agent.
    const { served, servesOriginal } = service;
    if (servesOriginal ? controller.provenGeneration > 0 : !this.#isProven(served)) {
      found.push("I13: a service that went back does not serve the credential of before");
    }
    return found;
  }

  #isSpent(keyId: string, now: Instant): boolean {
    const certificate = this.#parts.controller.find(keyId);
    return certificate !== undefined && now > certificate.record.notAfter;
  }

  #isProven(keyId: string): boolean {
    return this.#parts.controller.find(keyId)?.state === "proven";
  }
}
