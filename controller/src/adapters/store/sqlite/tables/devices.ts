import { sql } from "kysely";
import type { AgeCounter, DeviceRecord } from "../../../../records.ts";
import type { DeviceTable, Page } from "../../../../store-port.ts";
import { checkLimit } from "../../check-values.ts";
import { attributeColumns, fromAttributeColumns, toAttributeColumns } from "../attribute-columns.ts";
import type { Schema } from "../schema.ts";
import type { Session } from "../session.ts";
import { fixedStatement, statement, upsert } from "../statement.ts";
import { addToAges, hourColumn } from "./ages.ts";

/** Devices; a change of site moves the device's counted certificates with it. */
export function deviceTable(session: Session): DeviceTable {
  return {
    async find(id) {
      const row = session.first(find, { id });
      return row && toDevice(row);
    },
    async put(device) {
      const { attributes, ...rest } = device;
      const siteBefore = session.first(siteOf, { id: device.id })?.site ?? "";
      session.run(put, { ...rest, ...toAttributeColumns(attributes) });
      if (siteBefore !== attributes.site)
        moveAges(session, { device: device.id, from: siteBefore, to: attributes.site });
    },
    async list({ after = "", limit }: Page) {
      return session.all(list, { after, limit: checkLimit(limit) }).map(toDevice);
    },
    async countByState() {
      const counts = { active: 0, suspended: 0, retired: 0 };
      for (const { state, count } of session.all(countByState, {})) counts[state] = count;
      return counts;
    },
    countActive: async () => session.all(countActive, {}),
  };
}

/** The site under which a device's certificates are counted; empty while the device is unknown. */
export function findSite(session: Session, device: string): string {
  return session.first(siteOf, { id: device })?.site ?? "";
}

function moveAges(session: Session, { device, from, to }: { device: string; from: string; to: string }): void {
  for (const { hour, profile, issuer, count } of session.all(countedOf, { device })) {
    addToAges(session, { hour, site: from, profile, issuer, count: -count });
    addToAges(session, { hour, site: to, profile, issuer, count });
  }
}

function toDevice(row: Schema["devices"]): DeviceRecord {
  const { site, owner, environment, criticality, tags, connectivity, connectivityBy, ...rest } = row;
  return { ...rest, attributes: fromAttributeColumns(row) };
}

const find = statement<{ id: string }>()((db, at) => db.selectFrom("devices").selectAll().where("id", "=", at("id")));

const siteOf = statement<{ id: string }>()((db, at) =>
  db.selectFrom("devices").select("site").where("id", "=", at("id")),
);

const list = statement<{ after: string; limit: number }>()((db, at) =>
  db.selectFrom("devices").selectAll().where("id", ">", at("after")).orderBy("id").limit(at("limit")),
);

const countByState = fixedStatement((db) =>
  db
    .selectFrom("deviceCounts")
    .select(["state", sql<number>`sum(count)`.as("count")])
    .groupBy("state"),
);

const countActive = fixedStatement((db) =>
  db
    .selectFrom("deviceCounts")
    .select(["connectivity", "count"])
    .where(sql<boolean>`state = 'active'`)
    .orderBy("connectivity"),
);

const countedOf = statement<{ device: string }>()((db, at) =>
  db
    .selectFrom("certificates")
    .select([hourColumn.as("hour"), "profile", "issuer", sql<AgeCounter["count"]>`count(*)`.as("count")])
    .where("device", "=", at("device"))
    .where("device", "<>", "")
    .where("state", "in", ["issued", "proven"])
    .where("notAfter", ">=", db.selectFrom("ageClock").select("expiredBefore"))
    .groupBy(["hour", "profile", "issuer"]),
);

const put = upsert("devices", {
  key: ["id"],
  rest: [
    ...attributeColumns,
    "state",
    "stateReason",
    "createdAt",
    "lastSeenAt",
    "desiredVersion",
    "agentVersion",
    "clockOffset",
    "claimId",
  ],
});
