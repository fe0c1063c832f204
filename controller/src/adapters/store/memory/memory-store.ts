import type { Store } from "../../../store-port.ts";
import { TransactionQueue } from "../transaction-queue.ts";
import { UndoLog } from "./memory-table.ts";
import { memoryTransaction } from "./memory-transaction.ts";
import { memoryTables } from "./tables.ts";

/**
 * A store that lives as long as its object, for simulations and tests. Same rules as the SQLite store; rows are kept as
 * given, so a record must not be changed after it was put.
 */
export function memoryStore(): Store {
  const undo = new UndoLog();
  const tables = memoryTables(undo);
  const queue = new TransactionQueue();
  return {
    transaction: (work) =>
      queue.run(async (turn) => {
        try {
          const result = await work(
            memoryTransaction(() => {
              turn.check();
              return tables;
            }),
          );
          turn.end();
          undo.forget();
          return result;
        } catch (error) {
          turn.end();
          undo.undo();
          throw error;
        }
      }),
    close: () => queue.close(),
  };
}
