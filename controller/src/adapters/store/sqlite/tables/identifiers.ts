import type { DeviceIdentifier } from "../../../../records.ts";
import type { IdentifierTable } from "../../../../store-port.ts";
import type { Session } from "../session.ts";
import { statement, upsert } from "../statement.ts";

/** What devices are recognised by (I7). */
export function identifierTable(session: Session): IdentifierTable {
  return {
    devicesOf: async (kind, value) => session.all(devicesOf, { kind, value }).map(({ device }) => device),
    add: async (identifier) => session.run(add, identifier),
    listOf: async (device) => session.all(listOf, { device }),
  };
}

const devicesOf = statement<{ kind: DeviceIdentifier["kind"]; value: string }>()((db, at) =>
  db
    .selectFrom("identifiers")
    .select("device")
    .where("kind", "=", at("kind"))
    .where("value", "=", at("value"))
    .orderBy("device"),
);

const add = upsert("identifiers", { key: ["kind", "value", "device"], rest: [] });

const listOf = statement<{ device: string }>()((db, at) =>
  db.selectFrom("identifiers").selectAll().where("device", "=", at("device")).orderBy("kind").orderBy("value"),
);
