import { sql } from "kysely";
import type { AckTable, CrlTable, EpochTable, RevocationTable } from "../../../../store-port.ts";
import { checkLimit } from "../../check-values.ts";
import type { Session } from "../session.ts";
import { statement, upsert } from "../statement.ts";

/** What is revoked. */
export function revocationTable(session: Session): RevocationTable {
  return {
    find: async (issuer, serial) => session.first(findRevocation, { issuer, serial }),
    put: async (revocation) => session.run(putRevocation, revocation),
    listOf: async (issuer, shard) => session.all(listRevocations, { issuer, shard }),
    listUnpublished: async (issuer) => session.all(listUnpublished, { issuer }),
  };
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
    latest: async (issuer, shard) => session.first(listCrls, { issuer, shard, limit: 1 }),
    put: async (crl) => session.run(putCrl, crl),
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
  };
}

const findRevocation = statement<{ issuer: string; serial: string }>()((db, at) =>
  db.selectFrom("revocations").selectAll().where("issuer", "=", at("issuer")).where("serial", "=", at("serial")),
);

const listRevocations = statement<{ issuer: string; shard: number }>()((db, at) =>
  db
    .selectFrom("revocations")
    .selectAll()
    .where("issuer", "=", at("issuer"))
    .where("shard", "=", at("shard"))
    .orderBy("index")
    .orderBy("serial"),
);

// The epoch is a literal, or SQLite would not use the partial index revocations_unpublished.
const listUnpublished = statement<{ issuer: string }>()((db, at) =>
  db
    .selectFrom("revocations")
    .selectAll()
    .where("issuer", "=", at("issuer"))
    .where(sql<boolean>`epoch = 0`)
    .orderBy("shard")
    .orderBy("index")
    .orderBy("serial"),
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

const putEpoch = upsert("epochs", {
  key: ["issuer", "era", "epoch"],
  rest: ["thisUpdate", "nextUpdate", "head", "headSha256"],
});

const deleteEpochs = statement<{ issuer: string; thisUpdate: number }>()((db, at) =>
  db.deleteFrom("epochs").where("issuer", "=", at("issuer")).where("thisUpdate", "<", at("thisUpdate")),
);

const listCrls = statement<{ issuer: string; shard: number; limit: number }>()((db, at) =>
  db
    .selectFrom("crls")
    .selectAll()
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
