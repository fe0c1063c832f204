import { FleetError } from "@fleetcert/shared";
import { sql } from "kysely";
import type { AuditRecord } from "../../../../records.ts";
import type { AuditTable, OperatorTable, SettingTable } from "../../../../store-port.ts";
import { checkLimit } from "../../check-values.ts";
import type { Session } from "../session.ts";
import { fixedStatement, statement, upsert } from "../statement.ts";

/** Persons of the API. */
export function operatorTable(session: Session): OperatorTable {
  return {
    find: async (name) => session.first(findOperator, { name }),
    findByCertificate: async (sha256) => (sha256 === "" ? undefined : session.first(findByCertificate, { sha256 })),
    put: async (operator) => session.run(putOperator, operator),
    list: async ({ after = "", limit }) => session.all(listOperators, { after, limit: checkLimit(limit) }),
  };
}

/** The audit chain; triggers of the schema refuse changes and deletions. */
export function auditTable(session: Session): AuditTable {
  return {
    async append(record) {
      const next = (session.first(lastAudit, {})?.sequence ?? 0) + 1;
      if (record.sequence !== next) {
        throw new FleetError("conflict", `audit entry ${record.sequence} cannot be appended: the next is ${next}`);
      }
      session.run(appendAudit, record);
    },
    last: async () => session.first(lastAudit, {}),
    list: async (from, limit) => session.all(listAudit, { from, limit: checkLimit(limit) }),
  };
}

/** Single values. */
export function settingTable(session: Session): SettingTable {
  return {
    find: async (key) => session.first(findSetting, { key })?.value,
    put: async (key, value) => session.run(putSetting, { key, value }),
    delete: async (key) => session.run(deleteSetting, { key }),
  };
}

const findOperator = statement<{ name: string }>()((db, at) =>
  db.selectFrom("operators").selectAll().where("name", "=", at("name")),
);

const findByCertificate = statement<{ sha256: string }>()((db, at) =>
  db
    .selectFrom("operators")
    .selectAll()
    .where("certificateSha256", "=", at("sha256"))
    .where(sql<boolean>`certificate_sha256 <> ''`),
);

const listOperators = statement<{ after: string; limit: number }>()((db, at) =>
  db.selectFrom("operators").selectAll().where("name", ">", at("after")).orderBy("name").limit(at("limit")),
);

const putOperator = upsert("operators", {
  key: ["name"],
  rest: ["person", "role", "certificateSha256", "notAfter", "createdAt", "createdBy", "disabledAt"],
});

const lastAudit = fixedStatement((db) => db.selectFrom("audit").selectAll().orderBy("sequence", "desc").limit(1));

const listAudit = statement<{ from: number; limit: number }>()((db, at) =>
  db.selectFrom("audit").selectAll().where("sequence", ">=", at("from")).orderBy("sequence").limit(at("limit")),
);

const appendAudit = statement<AuditRecord & Record<string, unknown>>()((db, at) =>
  db.insertInto("audit").values({
    sequence: at("sequence"),
    at: at("at"),
    actor: at("actor"),
    action: at("action"),
    target: at("target"),
    outcome: at("outcome"),
    details: at("details"),
    previousHash: at("previousHash"),
    hash: at("hash"),
  }),
);

const findSetting = statement<{ key: string }>()((db, at) =>
  db.selectFrom("settings").select("value").where("key", "=", at("key")),
);

const putSetting = upsert("settings", { key: ["key"], rest: ["value"] });

const deleteSetting = statement<{ key: string }>()((db, at) => db.deleteFrom("settings").where("key", "=", at("key")));
