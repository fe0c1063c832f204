import { setImmediate } from "node:timers/promises";

/** Lets everything that waits run until a condition holds; the test's own time limit is the bound. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setImmediate();
}
