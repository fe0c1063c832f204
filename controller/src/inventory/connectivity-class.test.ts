import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ContactRecord } from "../contact-records.ts";
import type { ConnectivityClass } from "../records.ts";
import { classifyConnectivity, withContact } from "./connectivity-class.ts";

const hour = 3_600_000;
const day = 24 * hour;
const begin = Date.UTC(2026, 0, 1);

/** A device that comes again and again: away for a time, then there for a time. */
interface Habit {
  readonly away: (visit: number) => number;
  readonly there: number;
}

/** The classes it has had, looked at with every visit as the controller does. */
function live(habit: Habit, days: number, before: ConnectivityClass = "always") {
  let contact: ContactRecord = { device: "edge-1", since: begin, lastAt: begin, gaps: [] };
  let now = begin;
  let current = before;
  const classes: ConnectivityClass[] = [];
  for (let visit = 0; now < begin + days * day; visit++) {
    const absent = habit.away(visit);
    now += absent;
    contact = withContact(contact, { now, absent });
    now += habit.there;
    contact = withContact(contact, { now, absent: 0 });
    current = classifyConnectivity({ now, contact, courierAt: undefined, before: current });
    classes.push(current);
  }
  return { classes, contact, now, last: current };
}

const every = (away: number, there: number): Habit => ({ away: () => away, there });

describe("the connectivity class of a device", () => {
  it.each<[string, Habit, ConnectivityClass]>([
    ["that is always there", every(0, hour), "always"],
    ["that comes each half hour for a minute", every(29 * 60_000, 60_000), "always"],
    ["that is there for eight hours a day", every(16 * hour, 8 * hour), "daily"],
    ["that comes once a day for a minute", every(day - 60_000, 60_000), "daily"],
    ["of an office, with weekends", { away: (visit) => (visit % 5 === 4 ? 64 : 16) * hour, there: 8 * hour }, "daily"],
    ["that comes once a week", every(7 * day, hour), "rare"],
    ["that comes every third week", every(21 * day, hour), "rare"],
  ])("%s", (_, habit, expected) => {
    expect(live(habit, 120).last).toBe(expected);
  });

  it("is known after three days, and what it was before until then", () => {
    const few = live(every(16 * hour, 8 * hour), 1.5);
    expect(few.classes.every((one) => one === "always")).toBe(true);
    expect(live(every(16 * hour, 8 * hour), 1.5, "rare").last).toBe("rare");
  });

  it("follows a device that moves: from the shop floor to a van and back", () => {
    const { contact, now } = live(every(0, hour), 40);
    const away = (days: number) =>
      classifyConnectivity({ now: now + days * day, contact, courierAt: undefined, before: "always" });
    expect([0.2, 1, 3, 20].map(away)).toEqual(["always", "always", "daily", "rare"]);
    const back = withContact(contact, { now: now + 20 * day, absent: 20 * day });
    const later = (days: number) =>
      classifyConnectivity({
        now: now + (20 + days) * day,
        contact: { ...back, lastAt: now + (20 + days) * day },
        courierAt: undefined,
        before: "rare",
      });
    expect([1, 31].map(later)).toEqual(["rare", "always"]);
  });

  it("is courier for one that only couriers reach, and stays so until a session comes", () => {
    const asked = { now: begin, contact: undefined, before: "always" } as const;
    expect(classifyConnectivity({ ...asked, courierAt: begin - 1 })).toBe("courier");
    expect(classifyConnectivity({ ...asked, courierAt: undefined })).toBe("always");
    const contact = { device: "edge-1", since: begin - 90 * day, lastAt: begin - 31 * day, gaps: [] };
    expect(classifyConnectivity({ now: begin, contact, courierAt: begin - day, before: "rare" })).toBe("courier");
    expect(classifyConnectivity({ now: begin, contact, courierAt: begin - 60 * day, before: "rare" })).toBe("rare");
    expect(classifyConnectivity({ now: begin, contact, courierAt: undefined, before: "courier" })).toBe("courier");
    const came = withContact(contact, { now: begin, absent: 31 * day });
    expect(classifyConnectivity({ now: begin, contact: came, courierAt: begin - day, before: "courier" })).toBe("rare");
  });

  it("settles for any steady habit: after forty days it changes no more than once", () => {
    const habits = fc.record({
      away: fc.integer({ min: 0, max: 40 * 24 }).map((hours) => hours * hour),
      there: fc.integer({ min: 1, max: 72 }).map((hours) => hours * hour),
    });
    fc.assert(
      fc.property(habits, fc.constantFrom<ConnectivityClass>("always", "daily", "rare"), (habit, before) => {
        const { classes } = live(every(habit.away, habit.there), 400, before);
        const settled = classes.slice(Math.ceil((40 * day) / (habit.away + habit.there)));
        const changes = settled.filter((one, at) => at > 0 && one !== settled[at - 1]).length;
        expect(changes).toBeLessThanOrEqual(1);
      }),
    );
  });

  it.each([
    { between: "always and daily", away: [9, 11], there: [15, 13], ends: "daily" },
    { between: "daily and rare", away: [58, 82], there: [1, 1], ends: "rare" },
  ])("does not come and go for a device between $between: the way back is longer", ({ away, there, ends }) => {
    // A season of one habit, longer than the time looked at, then one of the other, for two years.
    let contact: ContactRecord = { device: "edge-1", since: begin, lastAt: begin, gaps: [] };
    let now = begin;
    let current: ConnectivityClass = "always";
    const changes: ConnectivityClass[] = [];
    while (now < begin + 730 * day) {
      const season = Math.floor((now - begin) / (45 * day)) % 2;
      const absent = (away[season] ?? 0) * hour;
      now += absent;
      contact = withContact(contact, { now, absent });
      now += (there[season] ?? 0) * hour;
      contact = withContact(contact, { now, absent: 0 });
      const next = classifyConnectivity({ now, contact, courierAt: undefined, before: current });
      if (next !== current) changes.push(next);
      current = next;
    }
    expect(changes.slice(-1)).toEqual([ends]);
    expect(new Set(changes).size).toBe(changes.length);
  });

  it("is never called better for having been away longer", () => {
    const rank = { always: 0, daily: 1, rare: 2, courier: 3 };
    const contact = { device: "edge-1", since: begin - 60 * day, lastAt: begin, gaps: [] };
    const after = (hours: number, before: ConnectivityClass) =>
      rank[classifyConnectivity({ now: begin + hours * hour, contact, courierAt: undefined, before })];
    const before = fc.constantFrom<ConnectivityClass>("always", "daily", "rare");
    fc.assert(
      fc.property(before, fc.nat(60 * 24), fc.nat(240), (one, hours, more) => {
        expect(after(hours + more, one)).toBeGreaterThanOrEqual(after(hours, one));
      }),
    );
  });

  it("keeps its record small, whatever a device does", () => {
    const { contact } = live(every(2 * hour, 60_000), 200);
    expect(contact.gaps.length).toBeLessThanOrEqual(32);
    // The time looked at is no longer than what the record covers: otherwise it would look better than it is.
    expect(live(every(2 * hour, 60_000), 200).last).toBe(live(every(2 * hour, 60_000), 3.5).last);
  });
});
