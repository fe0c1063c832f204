import { sql } from "kysely";
import type { SequenceRecord } from "../../../../records.ts";
import type {
  AnswerTable,
  CourierContactTable,
  OutboxTable,
  ReportTable,
  SequenceTable,
} from "../../../../store-port.ts";
import { checkLimit } from "../../check-values.ts";
import type { Session } from "../session.ts";
import { fixedStatement, statement, upsert } from "../statement.ts";

/** Answers kept so that asking again gives the same (I4). */
export function answerTable(session: Session): AnswerTable {
  return {
    find: async (device, messageId) => session.first(findAnswer, { device, messageId }),
    put: async (answer) => session.run(putAnswer, answer),
    deleteExpired: async (now) => session.run(deleteExpired, { now }),
  };
}

/** Highest counters seen. */
export function sequenceTable(session: Session): SequenceTable {
  return {
    find: async (device, generation, stream) => session.first(findSequence, { device, generation, stream }),
    put: async (sequence) => session.run(putSequence, sequence),
  };
}

/** Last bundles. */
export function courierContactTable(session: Session): CourierContactTable {
  return {
    find: async (device) => session.first(findContact, { device }),
    put: async (contact) => session.run(putContact, contact),
  };
}

/** Last reports. */
export function reportTable(session: Session): ReportTable {
  return {
    find: async (device) => session.first(findReport, { device }),
    put: async (report) => session.run(putReport, report),
  };
}

/** Messages to the broker; ids are never used again, also after all were removed. */
export function outboxTable(session: Session): OutboxTable {
  return {
    enqueue: async (message) => session.run(enqueue, { ...message, retain: message.retain ? 1 : 0 }),
    async list(limit) {
      const rows = session.all(listOutbox, { limit: checkLimit(limit) });
      return rows.map((row) => ({ ...row, retain: row.retain === 1 }));
    },
    last: async () => session.first(lastOutbox, {})?.id ?? 0,
    count: async (limit) => session.first(countOutbox, { limit: checkLimit(limit) })?.count ?? 0,
    removeThrough: async (id) => session.run(removeThrough, { id }),
  };
}

const findAnswer = statement<{ device: string; messageId: string }>()((db, at) =>
  db.selectFrom("answers").selectAll().where("device", "=", at("device")).where("messageId", "=", at("messageId")),
);

const putAnswer = upsert("answers", {
  key: ["device", "messageId"],
  rest: ["payloadSha256", "answer", "expiresAt"],
});

const deleteExpired = statement<{ now: number }>()((db, at) =>
  db.deleteFrom("answers").where("expiresAt", "<=", at("now")),
);

const findSequence = statement<{ device: string; generation: number; stream: SequenceRecord["stream"] }>()((db, at) =>
  db
    .selectFrom("sequences")
    .selectAll()
    .where("device", "=", at("device"))
    .where("generation", "=", at("generation"))
    .where("stream", "=", at("stream")),
);

const putSequence = upsert("sequences", { key: ["device", "generation", "stream"], rest: ["counter"] });

const findContact = statement<{ device: string }>()((db, at) =>
  db.selectFrom("courierContacts").selectAll().where("device", "=", at("device")),
);

const putContact = upsert("courierContacts", { key: ["device"], rest: ["at", "operator", "generation", "counter"] });

const findReport = statement<{ device: string }>()((db, at) =>
  db.selectFrom("reports").selectAll().where("device", "=", at("device")),
);

const putReport = upsert("reports", { key: ["device"], rest: ["receivedAt", "report"] });

const enqueue = statement<{ topic: string; payload: Uint8Array; retain: number }>()((db, at) =>
  db
    .insertInto("outbox")
    .columns(["topic", "payload", "retain"])
    .values({ topic: at("topic"), payload: at("payload"), retain: at("retain") } as never),
);

const listOutbox = statement<{ limit: number }>()((db, at) =>
  db.selectFrom("outbox").selectAll().orderBy("id").limit(at("limit")),
);

const lastOutbox = fixedStatement((db) => db.selectFrom("outbox").select("id").orderBy("id", "desc").limit(1));

const countOutbox = statement<{ limit: number }>()((db, at) =>
  db
    .selectFrom(db.selectFrom("outbox").select("id").limit(at("limit")).as("waiting"))
    .select(sql<number>`count(*)`.as("count")),
);

const removeThrough = statement<{ id: number }>()((db, at) => db.deleteFrom("outbox").where("id", "<=", at("id")));
