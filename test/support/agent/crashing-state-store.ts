import type { StateChange, StateStore } from "../../../agent/src/ports.ts";

/** The power cut that {@link CrashingStateStore} makes. */
export class PowerCut extends Error {}

/**
 * A state store in memory whose power can be cut: at the n-th write from now, before or after that write has reached the disk.
 * From then on every call fails, until {@link CrashingStateStore.restart} gives the store a new process would open.
 */
export class CrashingStateStore implements StateStore {
  readonly disk: Map<string, Uint8Array>;
  writes = 0;
  #cut: { readonly atWrite: number; readonly afterDisk: boolean } | undefined;
  #isDead = false;

  constructor(disk: Map<string, Uint8Array> = new Map()) {
    this.disk = disk;
  }

  cutPower(options: { readonly inWrites: number; readonly afterDisk: boolean }): void {
    this.#cut = { atWrite: this.writes + options.inWrites, afterDisk: options.afterDisk };
  }

  /** The same disk in a new process. */
  restart(): CrashingStateStore {
    this.#isDead = true;
    return new CrashingStateStore(this.disk);
  }

  async read(key: string): Promise<Uint8Array | undefined> {
    this.#requirePower();
    const value = this.disk.get(key);
    return value && Uint8Array.from(value);
  }

  async keys(prefix: string, limit: number): Promise<string[]> {
    this.#requirePower();
    const found = [...this.disk.keys()].filter((key) => key.startsWith(prefix)).sort();
    return found.slice(0, limit);
  }

  async write(changes: readonly StateChange[]): Promise<void> {
    this.#requirePower();
    this.writes++;
    const isLast = this.#cut?.atWrite === this.writes;
    if (!isLast || this.#cut?.afterDisk === true) this.#apply(changes);
    if (!isLast) return;
    this.#isDead = true;
    throw new PowerCut(`power cut at write ${this.writes}`);
  }

  #apply(changes: readonly StateChange[]): void {
    for (const change of changes) {
      if ("put" in change) this.disk.set(change.put, Uint8Array.from(change.value));
      else this.disk.delete(change.delete);
    }
  }

  #requirePower(): void {
    if (this.#isDead) throw new PowerCut("the process is dead");
  }
}
