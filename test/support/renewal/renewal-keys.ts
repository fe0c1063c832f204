import type { Effect } from "../../../agent/src/renewal/effect.ts";
import type { RenewalEvent } from "../../../agent/src/renewal/event.ts";
import { keyStoreOf } from "../../../agent/src/renewal/key-store.ts";
import type { KeyRecord } from "../../../agent/src/renewal/slot-state.ts";
import { failure } from "./renewal-faults.ts";

/** The key stores of the modelled device: what they hold, which is gone for a while, which does not work. */
export class RenewalKeys {
  /** Generation in the label and key store, by id. */
  readonly all = new Map<string, { readonly label: number; readonly store: string }>();
  /** Another token is in the slot for a while: no key is found, and destroying one does nothing. */
  isAway = false;
  /** A key store in which everything fails for a while. */
  broken: string | undefined;
  #count = 0;

  get isWhole(): boolean {
    return !this.isAway && this.broken === undefined;
  }

  finds({ id }: KeyRecord): boolean {
    return !this.isAway && this.all.has(id);
  }

  isBroken({ ref }: KeyRecord): boolean {
    return keyStoreOf(ref) === this.broken;
  }

  collect({ upTo, keep }: Pick<Extract<Effect, { do: "collect" }>, "upTo" | "keep">): void {
    for (const { id, label } of this.#list()) if (label <= upTo && !keep.includes(id)) this.destroy(id);
  }

  findOrGenerate(effect: Extract<Effect, { do: "generate" }>, forgetsOrphans: boolean): RenewalEvent {
    const { generation, inUse, upTo, store = "software" } = effect;
    if (this.isAway) return failure(effect, "token-error");
    const orphans = forgetsOrphans ? [] : this.#list().filter(({ id, label }) => label <= upTo && !inUse.includes(id));
    const found = orphans.find((one) => one.label === generation && one.store === store);
    for (const { id } of orphans.filter((one) => one !== found)) this.destroy(id);
    const id = found?.id ?? this.#generate(store, generation);
    if (id === undefined) return failure(effect, "token-error");
    return { type: "keyReady", generation, key: { id, ref: `${store}${store.includes("=") ? ";id=" : ":"}${id}` } };
  }

  destroy(id: string): void {
    if (!this.isAway) this.all.delete(id);
  }

  /** I11: after collecting, no orphan of a past generation; after generating, at most one beside the new key. */
  orphanViolations(effect: Effect, referenced: readonly string[]): string[] {
    const orphans = [...this.all].filter(([id]) => !referenced.includes(id));
    if (effect.do === "collect") {
      const isLeft = orphans.some(([id, { label }]) => label <= effect.upTo && !effect.keep.includes(id));
      return isLeft ? ["I11: an orphan of a past generation was not collected"] : [];
    }
    const isTooMany = effect.do === "generate" && orphans.length > 1;
    return isTooMany ? [`I11: ${orphans.length} keys that nobody refers to`] : [];
  }

  /** Undefined when the store does not make one. */
  #generate(store: string, label: number): string | undefined {
    if (store === this.broken) return undefined;
    this.#count += 1;
    const id = `key-${this.#count}`;
    this.all.set(id, { label, store });
    return id;
  }

  /** Keys that can be reached. */
  #list(): { readonly id: string; readonly label: number; readonly store: string }[] {
    if (this.isAway) return [];
    return [...this.all].flatMap(([id, key]) => (key.store === this.broken ? [] : [{ id, ...key }]));
  }
}
