import type { Broker, Surroundings } from "../ports.ts";
import type { Store, Transaction } from "../store-port.ts";

/** Hands what transactions have enqueued to the broker, in order, and removes it once it is handed over. */
export interface Outbox {
  /** The store every duty uses: a transaction that enqueues something wakes the outbox when it has committed. */
  readonly store: Store;
  /** Resolves when what was enqueued before the call has been handed over; throws what the broker threw. */
  drain(): Promise<void>;
}

/** Opens the outbox over the plain store. What a crash leaves in it goes out at the next drain. */
export function openOutbox(parts: {
  readonly store: Store;
  readonly surroundings: Surroundings;
  /** The broker comes later than the store; nothing leaves while it is undefined. */
  readonly broker: () => Pick<Broker, "publish"> | undefined;
}): Outbox {
  const { store } = parts;
  let running: Promise<void> | undefined;
  let isWanted = false;
  const waiting = new Set<Waiting>();
  const handedOver = (id: number): void => {
    for (const one of waiting) if (one.through <= id) one.done.resolve();
  };

  async function run(): Promise<void> {
    while (isWanted) {
      isWanted = false;
      const broker = parts.broker();
      if (broker !== undefined) await handOver(parts, broker, handedOver);
    }
  }

  function start(): Promise<void> {
    isWanted = true;
    running ??= run().finally(() => {
      running = undefined;
    });
    return running;
  }

  async function drain(): Promise<void> {
    const through = await store.transaction((tx) => tx.outbox.last());
    if (through === 0) return;
    // While a fleet comes back there is always something new: whoever waits for that would wait as long as the fleet comes.
    const one: Waiting = { through, done: Promise.withResolvers() };
    waiting.add(one);
    try {
      await Promise.race([one.done.promise, start()]);
    } finally {
      waiting.delete(one);
    }
  }

  const { notices } = parts.surroundings;
  const wake = (): void => {
    start().catch((error: unknown) => notices.raise({ name: "outbox.stuck", details: { cause: String(error) } }));
  };
  return { store: wakingStore(store, wake), drain };
}

/** Somebody who waits until what was enqueued up to that id has been handed over. */
interface Waiting {
  readonly through: number;
  readonly done: PromiseWithResolvers<void>;
}

async function handOver(
  { store, surroundings }: { readonly store: Store; readonly surroundings: Surroundings },
  broker: Pick<Broker, "publish">,
  handedOver: (id: number) => void,
): Promise<void> {
  for (;;) {
    const batch = await store.transaction((tx) => tx.outbox.list(batchLength));
    const last = batch.at(-1);
    if (last === undefined) return;
    for (const { topic, payload, retain } of batch) await broker.publish({ topic, payload, retain });
    await surroundings.failpoint("outbox.after-publish");
    await store.transaction((tx) => tx.outbox.removeThrough(last.id));
    handedOver(last.id);
  }
}

function wakingStore(store: Store, wake: () => void): Store {
  return {
    async transaction(work) {
      let hasEnqueued = false;
      const result = await store.transaction((tx) => {
        hasEnqueued = false;
        return work(watching(tx, () => (hasEnqueued = true)));
      });
      if (hasEnqueued) wake();
      return result;
    },
    close: () => store.close(),
  };
}

/** The same transaction, which tells when its outbox grows. */
function watching(tx: Transaction, enqueued: () => void): Transaction {
  const outbox: Transaction["outbox"] = {
    async enqueue(message) {
      await tx.outbox.enqueue(message);
      enqueued();
    },
    list: (limit) => tx.outbox.list(limit),
    last: () => tx.outbox.last(),
    count: (limit) => tx.outbox.count(limit),
    removeThrough: (id) => tx.outbox.removeThrough(id),
  };
  return Object.create(tx, { outbox: { value: outbox, enumerable: true } }) as Transaction;
}

const batchLength = 64;
