import { createHmac, randomBytes } from "node:crypto";
import type { Secret } from "@fleetcert/shared";

/** What is remembered of the PINs one token was given. */
export interface PinRecord {
  /** Marks of PINs the token refused, newest last. */
  readonly refused: readonly string[];
  /** PINs refused since the token last took one. */
  readonly inARow: number;
  /** Mark of the PIN that is being presented; stays when the process dies before the answer. */
  readonly presented?: string;
}

/**
 * Where refused PINs are remembered, because a token locks after a few of them.
 *
 * - `markOf` gives the keyed hash of a PIN, the same for as long as the memory lasts;
 * - `find` gives undefined for a token nothing is known of;
 * - `put` is durable when it returns, as far as the memory is.
 */
export interface PinMemory {
  markOf(pin: Secret): string;
  find(token: string): PinRecord | undefined;
  put(token: string, record: PinRecord): void;
}

/** The memory of this process, for those who give no other. */
export const processPinMemory: PinMemory = makeProcessMemory();

function makeProcessMemory(): PinMemory {
  const key = randomBytes(32);
  const records = new Map<string, PinRecord>();
  return {
    markOf: (pin) => createHmac("sha256", key).update(pin.reveal()).digest("hex"),
    find: (token) => records.get(token),
    put: (token, record) => void records.set(token, record),
  };
}
