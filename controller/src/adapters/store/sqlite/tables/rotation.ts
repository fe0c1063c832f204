import type { RolloutRecord } from "../../../../rotation-records.ts";
import type {
  AwaitedProofTable,
  DesiredDigestTable,
  RolloutDeviceTable,
  RolloutTable,
  WishTable,
} from "../../../../store-port.ts";
import { checkLimit } from "../../check-values.ts";
import type { Session } from "../session.ts";
import { statement, upsert } from "../statement.ts";

/** Rotations that are asked for. */
export function wishTable(session: Session): WishTable {
  return {
    async find(device, slot) {
      const row = session.first(findWish, { device, slot });
      return row && { ...row, isUrgent: row.isUrgent === 1 };
    },
    put: async (wish) => session.run(putWish, { ...wish, isUrgent: wish.isUrgent ? 1 : 0 }),
    remove: async (device, slot) => session.run(removeWish, { device, slot }),
  };
}

/** Certificates that are not proven yet. */
export function awaitedProofTable(session: Session): AwaitedProofTable {
  return {
    put: async (awaited) => session.run(putAwaited, awaited),
    remove: async (sha256) => session.run(removeAwaited, { sha256 }),
    listOverdue: async (issuedBefore, limit) => session.all(listOverdue, { issuedBefore, limit: checkLimit(limit) }),
    listNoted: async ({ after = "", limit }) => session.all(listNoted, { after, limit: checkLimit(limit) }),
  };
}

/** What devices were last told. */
export function desiredDigestTable(session: Session): DesiredDigestTable {
  return {
    find: async (device) => session.first(findDigest, { device }),
    put: async (digest) => session.run(putDigest, digest),
  };
}

/** Rollouts in waves. */
export function rolloutTable(session: Session): RolloutTable {
  return {
    async find(id) {
      const row = session.first(findRollout, { id });
      return row && rolloutOf(row.body);
    },
    put: async (rollout) => session.run(putRollout, { id: rollout.id, state: rollout.state, body: bodyOf(rollout) }),
    list: async ({ after = "", limit }) =>
      session.all(listRollouts, { after, limit: checkLimit(limit) }).map(({ body }) => rolloutOf(body)),
  };
}

/** The devices of rollouts. */
export function rolloutDeviceTable(session: Session): RolloutDeviceTable {
  return {
    put: async (device) => session.run(putDevice, device),
    listOf: async (rollout, wave) =>
      wave === undefined ? session.all(listDevices, { rollout }) : session.all(listWave, { rollout, wave }),
  };
}

const findWish = statement<{ device: string; slot: string }>()((db, at) =>
  db.selectFrom("wishes").selectAll().where("device", "=", at("device")).where("slot", "=", at("slot")),
);

const putWish = upsert("wishes", {
  key: ["device", "slot"],
  rest: ["generation", "windowStart", "windowEnd", "isUrgent", "explanationUrl", "rollout"],
});

const removeWish = statement<{ device: string; slot: string }>()((db, at) =>
  db.deleteFrom("wishes").where("device", "=", at("device")).where("slot", "=", at("slot")),
);

const putAwaited = upsert("awaitedProofs", {
  key: ["sha256"],
  rest: ["device", "slot", "generation", "issuedAt", "notedAt"],
});

const removeAwaited = statement<{ sha256: string }>()((db, at) =>
  db.deleteFrom("awaitedProofs").where("sha256", "=", at("sha256")),
);

const listOverdue = statement<{ issuedBefore: number; limit: number }>()((db, at) =>
  db
    .selectFrom("awaitedProofs")
    .selectAll()
    .where("notedAt", "is", null)
    .where("issuedAt", "<=", at("issuedBefore"))
    .orderBy("issuedAt")
    .orderBy("sha256")
    .limit(at("limit")),
);

const listNoted = statement<{ after: string; limit: number }>()((db, at) =>
  db
    .selectFrom("awaitedProofs")
    .selectAll()
    .where("notedAt", "is not", null)
    .where("sha256", ">", at("after"))
    .orderBy("sha256")
    .limit(at("limit")),
);

const findDigest = statement<{ device: string }>()((db, at) =>
  db.selectFrom("desiredDigests").selectAll().where("device", "=", at("device")),
);

const putDigest = upsert("desiredDigests", { key: ["device"], rest: ["sha256"] });

const findRollout = statement<{ id: string }>()((db, at) =>
  db.selectFrom("rollouts").selectAll().where("id", "=", at("id")),
);

const putRollout = upsert("rollouts", { key: ["id"], rest: ["state", "body"] });

const listRollouts = statement<{ after: string; limit: number }>()((db, at) =>
  db.selectFrom("rollouts").selectAll().where("id", ">", at("after")).orderBy("id").limit(at("limit")),
);

const putDevice = upsert("rolloutDevices", {
  key: ["rollout", "device"],
  rest: ["wave", "state", "generation", "askedAt", "reason"],
});

const listDevices = statement<{ rollout: string }>()((db, at) =>
  db.selectFrom("rolloutDevices").selectAll().where("rollout", "=", at("rollout")).orderBy("device"),
);

const listWave = statement<{ rollout: string; wave: number }>()((db, at) =>
  db
    .selectFrom("rolloutDevices")
    .selectAll()
    .where("rollout", "=", at("rollout"))
    .where("wave", "=", at("wave"))
    .orderBy("device"),
);

const absent: Partial<RolloutRecord> = { waveStartedAt: undefined, soakingSince: undefined, endedAt: undefined };
/** JSON leaves out what is undefined; a record names all its fields. */
const rolloutOf = (body: string): RolloutRecord => ({ ...absent, ...(JSON.parse(body) as RolloutRecord) });
const bodyOf = (rollout: RolloutRecord): string => JSON.stringify(rollout);
