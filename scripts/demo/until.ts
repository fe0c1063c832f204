import { setTimeout as sleep } from "node:timers/promises";

/** Asks again and again until the answer satisfies, or the time is over; gives the last answer either way. */
export async function until<T>(
  ask: () => Promise<T>,
  isEnough: (answer: T) => boolean,
  { timeoutMs, everyMs = 100 }: { readonly timeoutMs: number; readonly everyMs?: number },
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (isEnough(answer) || performance.now() >= end) return answer;
    await sleep(everyMs);
  }
}
