import type { Duration } from "@fleetcert/shared";
import type { Log, RandomSource, Timer } from "../../../agent/src/ports.ts";

/** A timer whose sleepers wake when a test says so. */
export class SteppedTimer implements Timer {
  readonly #sleepers = new Set<{ readonly duration: Duration; readonly wake: () => void }>();

  /** Durations now slept, in order of their begin. */
  get sleeping(): Duration[] {
    return [...this.#sleepers].map(({ duration }) => duration);
  }

  sleep(duration: Duration, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { duration, wake: () => settle(resolve) };
      const onAbort = () => settle(() => reject(signal.reason));
      const settle = (act: () => void): void => {
        this.#sleepers.delete(sleeper);
        signal.removeEventListener("abort", onAbort);
        act();
      };
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener("abort", onAbort);
      this.#sleepers.add(sleeper);
    });
  }

  /** Wakes all that sleep and lets what follows from it run. */
  async wakeAll(): Promise<void> {
    for (const sleeper of [...this.#sleepers]) sleeper.wake();
    await settled();
  }
}

/** Lets everything run that waits for nothing but promises. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Always the middle; bytes count up. */
export const steadyRandom: RandomSource = {
  bytes: (length) => Uint8Array.from({ length }, (_, index) => index),
  fraction: () => 0.5,
};

/** A log that keeps what it was told. */
export class KeptLog implements Log {
  readonly lines: {
    readonly level: string;
    readonly event: string;
    readonly fields: Readonly<Record<string, unknown>>;
  }[] = [];

  info(fields: Readonly<Record<string, unknown>>, event: string): void {
    this.lines.push({ level: "info", event, fields });
  }

  warn(fields: Readonly<Record<string, unknown>>, event: string): void {
    this.lines.push({ level: "warn", event, fields });
  }

  error(fields: Readonly<Record<string, unknown>>, event: string): void {
    this.lines.push({ level: "error", event, fields });
  }
}
