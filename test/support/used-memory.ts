/** Megabytes of heap and buffers in use, after a collection where the process allows one. */
export function usedMegabytes(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 2 ** 20;
}
