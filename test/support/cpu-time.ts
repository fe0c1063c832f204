/** Milliseconds of CPU this thread spends on something: unlike the time of day it does not count what else the machine does. */
export function cpuMsOf(work: () => void): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}
