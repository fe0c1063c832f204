import { setImmediate } from "node:timers/promises";
import { sql } from "kysely";
import type { ConnectivityClass, RevocationRecord } from "../../../../records.ts";
import type {
  AckTable,
  CrlTable,
  EpochTable,
  RevocationPage,
  RevocationPlace,
  RevocationTable,
} from "../../../../store-port.ts";
import { checkLimit } from "../../check-values.ts";
import type { Session } from "../session.ts";
import { statement, upsert } from "../statement.ts";

/** What is revoked. */
export function revocationTable(session: Session): RevocationTable {
  return {
    find: async (issuer, serial) => session.first(findRevocation, { issuer, serial }),
    put: async (revocation) => session.run(putRevocation, revocation),
    async walk(page, take) {
      // Others get a turn between two pages of a million rows.
      if (page.after !== undefined) await setImmediate();
      return walk(session, page, take);
    },
    waitingShards: async (issuer) => session.all(waitingShards, { issuer }),
    markPublished: async ({ issuer, shard }, { index, serial }, epoch) =>
      session.run(markPublished, { issuer, shard, index, serial, epoch }),
  };
}

function walk(
  session: Session,
  { issuer, shard, after, isWaiting, limit }: RevocationPage,
  take: (row: RevocationRecord) => void,
): RevocationPlace | undefined {
  let count = 0;
  let last: RevocationPlace | undefined;
  const { index, serial } = after ?? { index: -1, serial: "" };
  const place = { issuer, shard, index, serial, limit: checkLimit(limit) };
  session.each(isWaiting ? walkWaiting : walkAll, place, (row) => {
    count += 1;
    if (count === limit) last = { index: row.index, serial: row.serial };
    take(row);
  });
  return last;
}

/** Publications of an issuer; a higher era comes after every epoch of the one before. */
export function epochTable(session: Session): EpochTable {
  return {
    latest: async (issuer) => session.first(latestEpoch, { issuer }),
    find: async (issuer, epoch) => session.first(findEpoch, { issuer, epoch }),
    put: async (epoch) => session.run(putEpoch, epoch),
    deleteMadeBefore: async (issuer, thisUpdate) => session.run(deleteEpochs, { issuer, thisUpdate }),
  };
}

/** CRLs by shard and epoch. */
export function crlTable(session: Session): CrlTable {
  return {
    latest: async (issuer, shard) => session.first(latestCrl, { issuer, shard }),
    put: async (crl) => session.run(putCrl, crl),
    find: async (issuer, shard, epoch) => session.first(findCrl, { issuer, shard, epoch }),
    glanceAt: async (issuer) => session.all(glanceAt, { issuer }),
    listOf: async (issuer, shard, limit) => session.all(listCrls, { issuer, shard, limit: checkLimit(limit) }),
    deleteBelow: async (issuer, shard, epoch) => session.run(deleteCrls, { issuer, shard, epoch }),
  };
}

/** The last word of each device on each issuer. */
export function ackTable(session: Session): AckTable {
  return {
    find: async (device, issuer) => session.first(findAck, { device, issuer }),
    put: async (ack) => session.run(putAck, ack),
    listOf: async (issuer) => session.all(listAcks, { issuer }),
    countApplied: async (issuer, epoch) => session.all(countApplied, { issuer, epoch }),
    listBehind: async (issuer, { limit, ...behind }) =>
      session.all(listBehind, { issuer, ...behind, limit: checkLimit(limit) }),
  };
}

const findRevocation = statement<{ issuer: string; serial: string }>()((db, at) =>
  db.selectFrom("revocations").selectAll().where("issuer", "=", at("issuer")).where("serial", "=", at("serial")),
);

type WalkPlace = { issuer: string; shard: number; index: number; serial: string; limit: number };

const walkAll = statement<WalkPlace>()((db, at) =>
  db
    .selectFrom("revocations")
    .selectAll()
    .where("issuer", "=", at("issuer"))
    .where("shard", "=", at("shard"))
    .where(sql<boolean>`("index", serial) > (${at("index")}, ${at("serial")})`)
    .orderBy("index")
    .orderBy("serial")
    .limit(at("limit")),
);

// Here and below the epoch is a literal, or SQLite would not use the partial index revocations_unpublished.
const walkWaiting = statement<WalkPlace>()((db, at) =>
  db
    .selectFrom("revocations")
    .selectAll()
    .where("issuer", "=", at("issuer"))
    .where("shard", "=", at("shard"))
    .where(sql<boolean>`epoch = 0`)
    .where(sql<boolean>`("index", serial) > (${at("index")}, ${at("serial")})`)
    .orderBy("index")
    .orderBy("serial")
    .limit(at("limit")),
);

const waitingShards = statement<{ issuer: string }>()((db, at) =>
  db
    .selectFrom("revocations")
    .select(({ fn }) => ["shard" as const, fn.countAll<number>().as("count")])
    .where("issuer", "=", at("issuer"))
    .where(sql<boolean>`epoch = 0`)
    .groupBy("shard")
    .orderBy("shard"),
);

const markPublished = statement<Omit<WalkPlace, "limit"> & { epoch: number }>()((db, at) =>
  db
    .updateTable("revocations")
    .set({ epoch: at("epoch") })
    .where("issuer", "=", at("issuer"))
    .where("shard", "=", at("shard"))
    .where(sql<boolean>`epoch = 0`)
    .where(sql<boolean>`("index", serial) <= (${at("index")}, ${at("serial")})`),
);

const putRevocation = upsert("revocations", {
  key: ["issuer", "serial"],
  rest: ["shard", "index", "reason", "revokedAt", "epoch", "notAfter", "liftedAt", "invalidityDate"],
});

const latestEpoch = statement<{ issuer: string }>()((db, at) =>
  db
    .selectFrom("epochs")
    .selectAll()
    .where("issuer", "=", at("issuer"))
    .orderBy("era", "desc")
    .orderBy("epoch", "desc")
    .limit(1),
);

const findEpoch = statement<{ issuer: string; epoch: number }>()((db, at) =>
  db
    .selectFrom("epochs")
    .selectAll()
    .where("issuer", "=", at("issuer"))
    .where("epoch", "=", at("epoch"))
    .orderBy("era", "desc")
    .limit(1),
);

/** SQLite takes the other columns from the row in which it found the maximum (https://sqlite.org/lang_select.html#bareagg). */
const glanceAt = statement<{ issuer: string }>()((db, at) =>
  db
    .selectFrom("crls")
    .select(["shard", sql<number>`max(epoch)`.as("epoch"), "entryCount"])
    .where("issuer", "=", at("issuer"))
    .groupBy("shard")
    .orderBy("shard"),
);

const countApplied = statement<{ issuer: string; epoch: number }>()((db, at) =>
  db
    .selectFrom("ackCounts")
    .select(["connectivity", sql<number>`sum(count)`.as("count")])
    .where("issuer", "=", at("issuer"))
    .where("epoch", ">=", at("epoch"))
    .groupBy("connectivity")
    .orderBy("connectivity"),
);

const listBehind = statement<Behind>()((db, at) =>
  db
    .selectFrom("devices")
    .leftJoin("acks", (join) => join.onRef("acks.device", "=", "devices.id").on("acks.issuer", "=", at("issuer")))
    .select(["devices.id", "devices.lastSeenAt"])
    .where(sql<boolean>`devices.state = 'active'`)
    .where("devices.connectivity", "=", at("connectivity"))
    .where((where) => where.or([where("acks.epoch", "is", null), where("acks.epoch", "<", at("epoch"))]))
    .orderBy("devices.lastSeenAt")
    .orderBy("devices.id")
    .limit(at("limit")),
);

type Behind = {
  readonly issuer: string;
  readonly epoch: number;
  readonly connectivity: ConnectivityClass;
  readonly limit: number;
};

const putEpoch = upsert("epochs", {
  key: ["issuer", "era", "epoch"],
  rest: ["thisUpdate", "nextUpdate", "head", "headSha256"],
});

const deleteEpochs = statement<{ issuer: string; thisUpdate: number }>()((db, at) =>
  db.deleteFrom("epochs").where("issuer", "=", at("issuer")).where("thisUpdate", "<", at("thisUpdate")),
);

const latestCrl = statement<{ issuer: string; shard: number }>()((db, at) =>
  db
    .selectFrom("crls")
    .selectAll()
    .where("issuer", "=", at("issuer"))
    .where("shard", "=", at("shard"))
    .orderBy("epoch", "desc")
    .limit(1),
);

const findCrl = statement<{ issuer: string; shard: number; epoch: number }>()((db, at) =>
  db
    .selectFrom("crls")
    .selectAll()
    .where("issuer", "=", at("issuer"))
    .where("shard", "=", at("shard"))
    .where("epoch", "=", at("epoch")),
);

// SQLite finds the length in the row's first page; any column behind the list would make it read the whole list.
const listCrls = statement<{ issuer: string; shard: number; limit: number }>()((db, at) =>
  db
    .selectFrom("crls")
    .select(["epoch", sql<number>`length(der)`.as("length")])
    .where("issuer", "=", at("issuer"))
    .where("shard", "=", at("shard"))
    .orderBy("epoch", "desc")
    .limit(at("limit")),
);

const deleteCrls = statement<{ issuer: string; shard: number; epoch: number }>()((db, at) =>
  db
    .deleteFrom("crls")
    .where("issuer", "=", at("issuer"))
    .where("shard", "=", at("shard"))
    .where("epoch", "<", at("epoch")),
);

const putCrl = upsert("crls", {
  key: ["issuer", "shard", "epoch"],
  rest: ["der", "sha256", "entryCount", "deltaBase", "deltaDer"],
});

const findAck = statement<{ device: string; issuer: string }>()((db, at) =>
  db.selectFrom("acks").selectAll().where("device", "=", at("device")).where("issuer", "=", at("issuer")),
);

const listAcks = statement<{ issuer: string }>()((db, at) =>
  db.selectFrom("acks").selectAll().where("issuer", "=", at("issuer")).orderBy("device"),
);

const putAck = upsert("acks", {
  key: ["issuer", "device"],
  rest: ["era", "epoch", "appliedAt", "receivedAt", "via"],
});
