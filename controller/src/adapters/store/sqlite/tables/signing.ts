import { sql } from "kysely";
import type { IntentTable, ShardTable } from "../../../../store-port.ts";
import type { Session } from "../session.ts";
import { fixedStatement, statement, upsert } from "../statement.ts";

/** Signatures about to be made (I2). */
export function intentTable(session: Session): IntentTable {
  return {
    find: async (tbsSha256) => session.first(findIntent, { tbsSha256 }),
    put: async (intent) => session.run(putIntent, intent),
    listOpen: async () => session.all(listOpen, {}),
  };
}

/** Where the next serial of an issuer comes from. */
export function shardTable(session: Session): ShardTable {
  return {
    find: async (issuer, shard) => session.first(findShard, { issuer, shard }),
    put: async (shard) => session.run(putShard, shard),
    listOf: async (issuer) => session.all(listShards, { issuer }),
  };
}

const findIntent = statement<{ tbsSha256: string }>()((db, at) =>
  db.selectFrom("intents").selectAll().where("tbsSha256", "=", at("tbsSha256")),
);

// The state is a literal, or SQLite would not use the partial index intents_open.
const listOpen = fixedStatement((db) =>
  db.selectFrom("intents").selectAll().where(sql<boolean>`state = 'open'`).orderBy("openedAt").orderBy("tbsSha256"),
);

const putIntent = upsert("intents", {
  key: ["tbsSha256"],
  rest: [
    "kind",
    "issuer",
    "serial",
    "shard",
    "index",
    "notAfter",
    "device",
    "slot",
    "generation",
    "spkiSha256",
    "claimId",
    "state",
    "openedAt",
  ],
});

const findShard = statement<{ issuer: string; shard: number }>()((db, at) =>
  db.selectFrom("shards").selectAll().where("issuer", "=", at("issuer")).where("shard", "=", at("shard")),
);

const listShards = statement<{ issuer: string }>()((db, at) =>
  db.selectFrom("shards").selectAll().where("issuer", "=", at("issuer")).orderBy("shard"),
);

const putShard = upsert("shards", {
  key: ["issuer", "shard"],
  rest: ["notAfterFrom", "notAfterTo", "nextIndex", "coveredTo"],
});
