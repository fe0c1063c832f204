import type { ClaimRecord } from "../../../../records.ts";
import type { ClaimTable } from "../../../../store-port.ts";
import { checkLimit } from "../../check-values.ts";
import { attributeColumns, fromAttributeColumns, parseTexts, toAttributeColumns } from "../attribute-columns.ts";
import type { Schema } from "../schema.ts";
import type { Session } from "../session.ts";
import { statement, upsert } from "../statement.ts";

/** Rights to enrol. */
export function claimTable(session: Session): ClaimTable {
  return {
    async find(id) {
      const row = session.first(find, { id });
      return row && toClaim(row);
    },
    async put({ attributes, allowedDevices, ...rest }) {
      session.run(put, {
        ...rest,
        ...toAttributeColumns(attributes),
        allowedDevices: JSON.stringify(allowedDevices),
      });
    },
    async list({ after = "", limit }) {
      return session.all(list, { after, limit: checkLimit(limit) }).map(toClaim);
    },
  };
}

function toClaim(row: Schema["claims"]): ClaimRecord {
  const { site, owner, environment, criticality, tags, connectivity, connectivityBy, ...others } = row;
  const { allowedDevices, ...rest } = others;
  return { ...rest, attributes: fromAttributeColumns(row), allowedDevices: parseTexts(allowedDevices) };
}

const find = statement<{ id: string }>()((db, at) => db.selectFrom("claims").selectAll().where("id", "=", at("id")));

const list = statement<{ after: string; limit: number }>()((db, at) =>
  db.selectFrom("claims").selectAll().where("id", ">", at("after")).orderBy("id").limit(at("limit")),
);

const put = upsert("claims", {
  key: ["id"],
  rest: [
    ...attributeColumns,
    "secretSha256",
    "maxUses",
    "uses",
    "expiresAt",
    "revokedAt",
    "allowedDevices",
    "profile",
    "createdAt",
    "createdBy",
    "reenrols",
    "proofKey",
  ],
});
