/**
 * How long something takes, how long this thread computed for it, and the longest gap between two turns of the event loop
 * meanwhile.
 */
export async function timed(
  work: () => Promise<unknown>,
): Promise<{ readonly ms: number; readonly cpuMs: number; readonly stallMs: number }> {
  let [last, stallMs, isOver] = [performance.now(), 0, false];
  const turn = (): void => {
    const now = performance.now();
    stallMs = Math.max(stallMs, now - last);
    last = now;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const [start, before] = [performance.now(), process.threadCpuUsage()];
  await work();
  const ms = performance.now() - start;
  const { user, system } = process.threadCpuUsage(before);
  isOver = true;
  return { ms, cpuMs: (user + system) / 1000, stallMs };
}
