import type { Budget, PlanRecord, PlanState, SpendingRecord } from "../../../../approval-records.ts";
import type { ApiKeyTable, PlanTable, SpendingTable } from "../../../../store-port.ts";
import { checkLimit } from "../../check-values.ts";
import { parseTexts } from "../attribute-columns.ts";
import type { Schema } from "../schema.ts";
import type { Session } from "../session.ts";
import { statement, upsert } from "../statement.ts";

/** Keys of the API. */
export function apiKeyTable(session: Session): ApiKeyTable {
  return {
    find: async (id) => session.first(findKey, { id }),
    put: async (key) => session.run(putKey, key),
    list: async ({ after = "", limit }) => session.all(listKeys, { after, limit: checkLimit(limit) }),
  };
}

/** Plans, whatever has become of them. */
export function planTable(session: Session): PlanTable {
  const one = (row: Schema["plans"] | undefined): PlanRecord | undefined => row && toPlan(row);
  return {
    find: async (hash) => one(session.first(findPlan, { hash })),
    latestOf: async (core) => one(session.first(latestPlan, { core })),
    put: async ({ items, epochs, ...rest }) =>
      session.run(putPlan, { ...rest, items: JSON.stringify(items), epochs: JSON.stringify(epochs) }),
    listInState: async (state, limit) => session.all(plansInState, { state, limit: checkLimit(limit) }).map(toPlan),
    list: async (limit) => session.all(listPlans, { limit: checkLimit(limit) }).map(toPlan),
    listByPrefix: async (prefix, limit) =>
      session.all(plansByPrefix, { from: prefix, to: `${prefix}g`, limit: checkLimit(limit) }).map(toPlan),
  };
}

/** What persons did alone. */
export function spendingTable(session: Session): SpendingTable {
  return {
    add: async (spending) => session.run(addSpending, { ...spending }),
    sumAfter: async (person, budget, at) => session.first(sumSpendings, { person, budget, at })?.sum ?? 0,
    deleteThrough: async (at) => session.run(deleteSpendings, { at }),
  };
}

function toPlan({ items, epochs, ...rest }: Schema["plans"]): PlanRecord {
  return { ...rest, items: parseTexts(items), epochs: JSON.parse(epochs) as number[] };
}

const findKey = statement<{ id: string }>()((db, at) =>
  db.selectFrom("apiKeys").selectAll().where("id", "=", at("id")),
);

const listKeys = statement<{ after: string; limit: number }>()((db, at) =>
  db.selectFrom("apiKeys").selectAll().where("id", ">", at("after")).orderBy("id").limit(at("limit")),
);

const putKey = upsert("apiKeys", {
  key: ["id"],
  rest: ["secretSha256", "operator", "createdAt", "createdBy", "expiresAt", "revokedAt"],
});

const findPlan = statement<{ hash: string }>()((db, at) =>
  db.selectFrom("plans").selectAll().where("hash", "=", at("hash")),
);

const latestPlan = statement<{ core: string }>()((db, at) =>
  db.selectFrom("plans").selectAll().where("core", "=", at("core")).orderBy("round", "desc").limit(1),
);

const plansInState = statement<{ state: PlanState; limit: number }>()((db, at) =>
  db
    .selectFrom("plans")
    .selectAll()
    .where("state", "=", at("state"))
    .orderBy("requestedAt")
    .orderBy("hash")
    .limit(at("limit")),
);

const listPlans = statement<{ limit: number }>()((db, at) =>
  db.selectFrom("plans").selectAll().orderBy("requestedAt", "desc").orderBy("hash", "desc").limit(at("limit")),
);

const plansByPrefix = statement<{ from: string; to: string; limit: number }>()((db, at) =>
  db
    .selectFrom("plans")
    .selectAll()
    .where("hash", ">=", at("from"))
    .where("hash", "<", at("to"))
    .orderBy("hash")
    .limit(at("limit")),
);

const putPlan = upsert("plans", {
  key: ["hash"],
  rest: [
    ...(["core", "round", "kind", "request", "budget", "weight", "items", "impact"] as const),
    ...(["requestedBy", "requester", "requestedAt", "expiresAt", "state", "decidedBy", "decidedAt", "remark"] as const),
    ...(["rate", "done", "stageAt", "epochs", "finishedAt"] as const),
  ],
});

const addSpending = statement<SpendingRecord & Record<string, unknown>>()((db, at) =>
  db
    .insertInto("spendings")
    .values({ person: at("person"), budget: at("budget"), at: at("at"), weight: at("weight") } as never),
);

const sumSpendings = statement<{ person: string; budget: Budget; at: number }>()((db, at) =>
  db
    .selectFrom("spendings")
    .select(({ fn }) => fn.sum<number>("weight").as("sum"))
    .where("person", "=", at("person"))
    .where("budget", "=", at("budget"))
    .where("at", ">", at("at")),
);

const deleteSpendings = statement<{ at: number }>()((db, at) => db.deleteFrom("spendings").where("at", "<=", at("at")));
