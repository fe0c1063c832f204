/**
 * Median of seven timed runs in milliseconds, after a warm-up of at least one run and a quarter of a second, so that the
 * compiler has settled. `run` may return a promise.
 */
export async function medianOf7(run: () => unknown): Promise<number> {
  for (const end = performance.now() + 250; ; ) {
    await run();
    if (performance.now() > end) break;
  }
  const times: number[] = [];
  for (let count = 0; count < 7; count++) {
    const start = performance.now();
    const pending = run();
    if (pending instanceof Promise) await pending;
    times.push(performance.now() - start);
  }
  return times.toSorted((left, right) => left - right)[3] as number;
}
