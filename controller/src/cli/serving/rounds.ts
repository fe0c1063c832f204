/** Work that is done again and again, one round at a time. */
export interface Rounds {
  /** A round is worth it soon; several wishes make one round. */
  want(): void;
  /** No further round begins; resolves when the present one has ended. */
  stop(): Promise<void>;
}

/** Does a round now and then, and soon after every wish. The work must not throw. */
export function startRounds(work: () => Promise<void>, { everyMs }: { readonly everyMs: number }): Rounds {
  let running: Promise<void> | undefined;
  let isWanted = false;
  let isStopped = false;

  async function run(): Promise<void> {
    while (isWanted && !isStopped) {
      isWanted = false;
      await work();
    }
    running = undefined;
  }

  function want(): void {
    isWanted = true;
    if (!isStopped) running ??= run();
  }

  const timer = setInterval(want, everyMs);
  return {
    want,
    async stop() {
      isStopped = true;
      clearInterval(timer);
      await running;
    },
  };
}
