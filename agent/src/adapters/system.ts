import { randomBytes } from "node:crypto";
import type { Clock, Duration } from "@fleetcert/shared";
import type { RandomSource, Timer } from "../ports.ts";

/** The machine's clocks. */
export const systemClock: Clock = {
  now: () => Date.now(),
  // Not `performance`, whose first use loads a megabyte of what else it can measure.
  monotonic: () => Number(process.hrtime.bigint()) / 1e6,
};

/** The machine's randomness. */
export const systemRandom: RandomSource = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  fraction: () => Math.random(),
};

/** The machine's timers; a sleep longer than one of them can be is taken in pieces. */
export const systemTimer: Timer = {
  async sleep(duration: Duration, signal: AbortSignal): Promise<void> {
    for (let rest = duration; ; rest -= longestTimer) {
      await sleepOnce(Math.min(Math.max(0, rest), longestTimer), signal);
      if (rest <= longestTimer) return;
    }
  },
};

function sleepOnce(duration: Duration, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, duration);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** setTimeout takes 31 bits. */
const longestTimer: Duration = 2 ** 31 - 1;
