import type { Transaction } from "../../../store-port.ts";
import { checkLimit } from "../check-values.ts";
import { compositeKey, pageOf } from "./order.ts";
import type { MemoryTables } from "./tables.ts";

/** API keys, plans and what was spent alone, over the memory tables. */
export function memoryApproval(tables: () => MemoryTables): Pick<Transaction, "apiKeys" | "plans" | "spendings"> {
  return {
    apiKeys: {
      find: async (id) => tables().apiKeys.find(id),
      put: async (key) => tables().apiKeys.put(key),
      list: async ({ after = "", limit }) =>
        pageOf(tables().apiKeys.group("all", ""), ({ id }) => id, { after, limit: checkLimit(limit) }),
    },
    plans: {
      find: async (hash) => tables().plans.find(hash),
      latestOf: async (core) => tables().plans.group("core", core)[0],
      put: async (plan) => tables().plans.put(plan),
      listInState: async (state, limit) => tables().plans.group("state", state).slice(0, checkLimit(limit)),
      list: async (limit) => tables().plans.group("recent", "").slice(0, checkLimit(limit)),
      listByPrefix: async (prefix, limit) =>
        tables()
          .plans.group("all", "")
          .filter(({ hash }) => hash.startsWith(prefix))
          .slice(0, checkLimit(limit)),
    },
    spendings: {
      async add(spending) {
        const { marks, spendings } = tables();
        const id = (marks.find("spendingId")?.value ?? 0) + 1;
        spendings.put({ ...spending, id });
        marks.put({ name: "spendingId", value: id });
      },
      sumAfter: async (person, budget, at) =>
        tables()
          .spendings.group("person", compositeKey(person, budget))
          .reduce((sum, one) => (one.at > at ? sum + one.weight : sum), 0),
      async deleteThrough(at) {
        const { spendings } = tables();
        const old = spendings.group("all", "").filter((one) => one.at <= at);
        for (const { id } of old) spendings.delete(String(id));
      },
    },
  };
}
