import { vi } from "vitest";

/** Waits until a check of what real parts do by themselves passes; rejects with its last failure after 45 seconds. */
export async function eventually(check: () => void | Promise<void>): Promise<void> {
  await vi.waitFor(check, { timeout: 45_000, interval: 50 });
}
