import type { CertificateRecord } from "../../../../records.ts";
import type { CertificateTable } from "../../../../store-port.ts";
import { checkLimit } from "../../check-values.ts";
import { hourOf, isCounted } from "../../counted-certificate.ts";
import type { Session } from "../session.ts";
import { statement, upsert } from "../statement.ts";
import { addToAges, expiredBefore } from "./ages.ts";
import { findSite } from "./devices.ts";

/** Certificates, with the age counters kept in step. */
export function certificateTable(session: Session): CertificateTable {
  return {
    find: async (sha256) => session.first(find, { sha256 }),
    findBySerial: async (issuer, serial) => session.first(findBySerial, { issuer, serial }),
    async listOf(device, slot) {
      return slot === undefined ? session.all(listOf, { device }) : session.all(listOfSlot, { device, slot });
    },
    async put(certificate) {
      const before = session.first(find, { sha256: certificate.sha256 });
      session.run(put, certificate);
      recount(session, before, certificate);
    },
    list: async ({ after = "", limit }) => session.all(list, { after, limit: checkLimit(limit) }),
    listByKey: async (spkiSha256) => session.all(listByKey, { spkiSha256 }),
  };
}

function recount(session: Session, before: CertificateRecord | undefined, after: CertificateRecord): void {
  const clock = expiredBefore(session);
  const groups = [before, after].map((row) => (row && isCounted(row, clock) ? groupOf(session, row) : undefined));
  const [left, joined] = groups;
  if (left !== undefined && joined !== undefined && JSON.stringify(left) === JSON.stringify(joined)) return;
  if (left !== undefined) addToAges(session, { ...left, count: -1 });
  if (joined !== undefined) addToAges(session, { ...joined, count: 1 });
}

function groupOf(session: Session, certificate: CertificateRecord) {
  const { device, profile, issuer } = certificate;
  return { hour: hourOf(certificate), site: findSite(session, device), profile, issuer };
}

const find = statement<{ sha256: string }>()((db, at) =>
  db.selectFrom("certificates").selectAll().where("sha256", "=", at("sha256")),
);

const findBySerial = statement<{ issuer: string; serial: string }>()((db, at) =>
  db.selectFrom("certificates").selectAll().where("issuer", "=", at("issuer")).where("serial", "=", at("serial")),
);

const listOf = statement<{ device: string }>()((db, at) =>
  db
    .selectFrom("certificates")
    .selectAll()
    .where("device", "=", at("device"))
    .orderBy("generation", "desc")
    .orderBy("slot")
    .orderBy("issuedAt", "desc")
    .orderBy("sha256"),
);

const listOfSlot = statement<{ device: string; slot: string }>()((db, at) =>
  db
    .selectFrom("certificates")
    .selectAll()
    .where("device", "=", at("device"))
    .where("slot", "=", at("slot"))
    .orderBy("generation", "desc")
    .orderBy("issuedAt", "desc")
    .orderBy("sha256"),
);

const list = statement<{ after: string; limit: number }>()((db, at) =>
  db.selectFrom("certificates").selectAll().where("sha256", ">", at("after")).orderBy("sha256").limit(at("limit")),
);

const listByKey = statement<{ spkiSha256: string }>()((db, at) =>
  db
    .selectFrom("certificates")
    .selectAll()
    .where("spkiSha256", "=", at("spkiSha256"))
    .orderBy("issuedAt")
    .orderBy("sha256"),
);

const put = upsert("certificates", {
  key: ["sha256"],
  rest: [
    "der",
    "issuer",
    "serial",
    "shard",
    "index",
    "device",
    "slot",
    "generation",
    "profile",
    "spkiSha256",
    "keyAlgorithm",
    "protection",
    "notBefore",
    "notAfter",
    "state",
    "issuedAt",
    "provenAt",
    "provenVia",
    "retiredAt",
    "revokedAt",
    "revocationReason",
  ],
});
