/**
 * Median of seven timed runs in milliseconds, after a warm-up of at least one run and a quarter of a second, so that the
 * compiler has settled. `run` may return a promise.
 */
export async function medianOf7(run: () => unknown): Promise<number> {
  return (await mediansOf7({ run })).run;
}

/** As {@link medianOf7} for several runs that take turns, so that other load on the machine falls on all alike. */
export async function mediansOf7<Name extends string>(
  runs: Readonly<Record<Name, () => unknown>>,
): Promise<Record<Name, number>> {
  const named = Object.entries(runs) as [Name, () => unknown][];
  for (const [, run] of named) await warmUp(run);
  const times = new Map(named.map(([name]) => [name, [] as number[]]));
  for (let round = 0; round < 7; round++) for (const [name, run] of named) times.get(name)?.push(await timeOnce(run));
  return Object.fromEntries([...times].map(([name, each]) => [name, median(each)])) as Record<Name, number>;
}

/** Milliseconds of one call each: lower quartile of 21 rounds in which they take turns, so that a busy machine hits all alike and little. */
export async function quartilesInTurn(runs: readonly (() => unknown)[]): Promise<number[]> {
  const times: number[][] = runs.map(() => []);
  const calls = 20;
  for (let round = 0; round < 22; round++) {
    for (const [at, run] of runs.entries()) {
      const start = performance.now();
      for (let call = 0; call < calls; call++) {
        const pending = run();
        if (pending instanceof Promise) await pending;
      }
      if (round > 0) times[at]?.push((performance.now() - start) / calls);
    }
  }
  return times.map((all) => all.toSorted((left, right) => left - right)[5] ?? 0);
}

async function warmUp(run: () => unknown): Promise<void> {
  const end = performance.now() + 250;
  do await run();
  while (performance.now() < end);
}

async function timeOnce(run: () => unknown): Promise<number> {
  const start = performance.now();
  const pending = run();
  if (pending instanceof Promise) await pending;
  return performance.now() - start;
}

/**
 * Milliseconds of one run each: the lower quartile of many short rounds in which they take turns, so that a busy machine hits all
 * alike and little. For comparisons; the first round warms up and does not count.
 */
export async function quietestInTurn<Name extends string>(
  runs: Readonly<Record<Name, () => unknown>>,
  rounds = 21,
): Promise<Record<Name, number>> {
  const times = new Map<Name, number[]>();
  for (let round = 0; round <= rounds; round++) {
    for (const [name, run] of Object.entries(runs) as [Name, () => unknown][]) {
      const milliseconds = await timeOnce(run);
      if (round > 0) times.set(name, [...(times.get(name) ?? []), milliseconds]);
    }
  }
  const quartile = (all: readonly number[]): number => all.toSorted((left, right) => left - right)[rounds >> 2] ?? 0;
  return Object.fromEntries([...times].map(([name, all]) => [name, quartile(all)])) as Record<Name, number>;
}

/** The middle one of an odd number of figures. */
export function median(figures: readonly number[]): number {
  return figures.toSorted((left, right) => left - right)[figures.length >> 1] as number;
}
