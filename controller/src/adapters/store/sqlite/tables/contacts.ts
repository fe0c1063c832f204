import { FleetError } from "@fleetcert/shared";
import type { ContactGap } from "../../../../contact-records.ts";
import type { ContactTable } from "../../../../store-port.ts";
import type { Session } from "../session.ts";
import { statement, upsert } from "../statement.ts";

/** When devices were in contact. */
export function contactTable(session: Session): ContactTable {
  return {
    async find(device) {
      const row = session.first(find, { device });
      return row && { ...row, gaps: gapsOf(row.gaps) };
    },
    put: async (contact) => session.run(put, { ...contact, gaps: JSON.stringify(contact.gaps) }),
  };
}

function gapsOf(json: string): ContactGap[] {
  try {
    const gaps: unknown = JSON.parse(json);
    if (Array.isArray(gaps)) return gaps as ContactGap[];
  } catch {
    // The one error below covers it.
  }
  throw new FleetError("store-corrupt", `a list of contacts in the store is damaged: ${json.slice(0, 80)}`);
}

const find = statement<{ device: string }>()((db, at) =>
  db.selectFrom("contacts").selectAll().where("device", "=", at("device")),
);

const put = upsert("contacts", { key: ["device"], rest: ["since", "lastAt", "gaps"] });
