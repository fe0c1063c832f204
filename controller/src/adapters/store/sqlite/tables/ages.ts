import { sql } from "kysely";
import type { AgeCounter } from "../../../../records.ts";
import type { AgeTable } from "../../../../store-port.ts";
import type { Session } from "../session.ts";
import { fixedStatement, statement } from "../statement.ts";

/**
 * Age counters. They are a function of the certificates, the devices' sites and the time of the last `expire`, kept up to
 * date by every change of these. A call with an earlier time than the last (a clock that had leapt) counts again what is
 * unexpired then.
 */
export function ageTable(session: Session): AgeTable {
  return {
    list: async () => session.all(list, {}),
    async expire(now) {
      const before = expiredBefore(session);
      session.run(setClock, { now });
      const passed = session.all(inUseBetween, { from: Math.min(before, now), to: Math.max(before, now) });
      const sign = now >= before ? -1 : 1;
      for (const { count, ...group } of passed) addToAges(session, { ...group, count: sign * count });
      return sign === 1 ? 0 : passed.reduce((sum, { count }) => sum + count, 0);
    },
  };
}

/** The time of the last `expire`; certificates with an earlier notAfter are not counted. */
export function expiredBefore(session: Session): number {
  return session.first(clock, {})?.expiredBefore ?? 0;
}

/** Adds a count, which may be negative, to the counter of its hour, site, profile and issuer. */
export function addToAges(session: Session, counter: AgeCounter): void {
  session.run(counter.count > 0 ? increase : decrease, counter);
  if (counter.count < 0) session.run(removeZero, counter);
}

/** Hours since the Unix epoch at issuance; both sides are integers, so that SQLite's division is one of integers. */
export const hourColumn = sql<number>`issued_at / 3600000`;

const list = fixedStatement((db) =>
  db.selectFrom("ages").selectAll().orderBy("hour").orderBy("site").orderBy("profile").orderBy("issuer"),
);

const clock = fixedStatement((db) => db.selectFrom("ageClock").select("expiredBefore"));

const setClock = statement<{ now: number }>()((db, at) => db.updateTable("ageClock").set({ expiredBefore: at("now") }));

// The conditions name those of the partial index certificates_in_use literally, or SQLite would not use it.
const inUseBetween = statement<{ from: number; to: number }>()((db, at) =>
  db
    .selectFrom("certificates")
    .leftJoin("devices", "devices.id", "certificates.device")
    .select([
      hourColumn.as("hour"),
      sql<string>`coalesce(devices.site, '')`.as("site"),
      "certificates.profile",
      "certificates.issuer",
      sql<number>`count(*)`.as("count"),
    ])
    .where(sql<boolean>`certificates.device <> '' and certificates.state in ('issued', 'proven')`)
    .where("certificates.notAfter", ">=", at("from"))
    .where("certificates.notAfter", "<", at("to"))
    .groupBy(["hour", "site", "certificates.profile", "certificates.issuer"]),
);

const increase = statement<AgeCounter & Record<string, unknown>>()((db, at) =>
  db
    .insertInto("ages")
    .values({ hour: at("hour"), site: at("site"), profile: at("profile"), issuer: at("issuer"), count: at("count") })
    .onConflict((conflict) =>
      conflict
        .columns(["hour", "site", "profile", "issuer"])
        .doUpdateSet(({ ref }) => ({ count: sql<number>`${ref("ages.count")} + ${ref("excluded.count")}` })),
    ),
);

const decrease = statement<AgeCounter & Record<string, unknown>>()((db, at) =>
  db
    .updateTable("ages")
    .set(({ ref }) => ({ count: sql<number>`${ref("ages.count")} + ${at("count")}` }))
    .where("hour", "=", at("hour"))
    .where("site", "=", at("site"))
    .where("profile", "=", at("profile"))
    .where("issuer", "=", at("issuer")),
);

const removeZero = statement<AgeCounter & Record<string, unknown>>()((db, at) =>
  db
    .deleteFrom("ages")
    .where("hour", "=", at("hour"))
    .where("site", "=", at("site"))
    .where("profile", "=", at("profile"))
    .where("issuer", "=", at("issuer"))
    .where("count", "=", 0),
);
