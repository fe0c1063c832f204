import { randomBytes } from "node:crypto";
import type { Clock } from "@fleetcert/shared";
import type { RandomSource } from "../../ports.ts";

/** The machine's clocks. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** The machine's random source. */
export const systemRandom: RandomSource = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  fraction: () => Math.random(),
};
