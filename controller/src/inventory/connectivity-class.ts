import type { Duration, Instant } from "@fleetcert/shared";
import type { ContactGap, ContactRecord } from "../contact-records.ts";
import type { ConnectivityClass } from "../records.ts";

/** What the class of a device follows from. */
interface ContactFacts {
  readonly now: Instant;
  /** Undefined for a device that never had a session. */
  readonly contact: ContactRecord | undefined;
  /** When a courier last brought a bundle of it. */
  readonly courierAt: Instant | undefined;
  /** The class so far: what lies between two classes stays what it was. */
  readonly before: ConnectivityClass;
}

/**
 * The connectivity class of a device. Pure.
 *
 * The measure is the time somebody who comes at a random moment of the last 30 days would have waited for the device:
 * the sum of the squares of its times without contact over twice the time looked at. One long absence counts more than many short
 * ones, and a device that is there eight hours a day is one of every day. The way down and the way back lie apart, so that a
 * device between two classes does not change with every contact; for one that is hardly known the class so far stays.
 */
export function classifyConnectivity({ now, contact, courierAt, before }: ContactFacts): ConnectivityClass {
  const lastSession = contact?.lastAt ?? Number.NEGATIVE_INFINITY;
  if (now - lastSession > observed) {
    const isCarried = courierAt !== undefined && courierAt > lastSession;
    return isCarried || before === "courier" ? "courier" : contact === undefined ? before : "rare";
  }
  if (contact === undefined || now - contact.since < leastKnown) return before;
  return classOf(expectedWait(contact, now), before);
}

/** The record with a contact at this moment; what is shorter than {@link leastGap} counts as contact all the time. */
export function withContact(
  contact: ContactRecord,
  { now, absent }: { readonly now: Instant; readonly absent: Duration },
): ContactRecord {
  const lastAt = Math.max(contact.lastAt, now);
  if (absent < leastGap) return { ...contact, lastAt };
  const recent = contact.gaps.filter(({ endedAt }) => endedAt > now - observed);
  return { ...contact, lastAt, gaps: [...recent, { endedAt: now, length: absent }].slice(-keptGaps) };
}

/** Over the last 30 days, or as far as it is known. */
function expectedWait({ since, lastAt, gaps }: Omit<ContactRecord, "device">, now: Instant): Duration {
  const [oldest] = gaps;
  const known = gaps.length >= keptGaps && oldest !== undefined ? oldest.endedAt - oldest.length : since;
  const from = Math.max(known, now - observed);
  const open: ContactGap = { endedAt: now, length: Math.max(0, now - lastAt) };
  const squares = [...gaps, open].reduce((sum, gap) => sum + within(gap, from) ** 2, 0);
  return squares / (2 * Math.max(1, now - from));
}

function classOf(wait: Duration, before: ConnectivityClass): ConnectivityClass {
  const isWorseThan = (way: { readonly down: Duration; readonly back: Duration }, isThere: boolean): boolean =>
    wait > (isThere ? way.back : way.down);
  if (isWorseThan(rare, before === "rare" || before === "courier")) return "rare";
  return isWorseThan(daily, before !== "always") ? "daily" : "always";
}

function within({ endedAt, length }: ContactGap, from: Instant): Duration {
  return Math.max(0, endedAt - Math.max(from, endedAt - length));
}

const hour: Duration = 3_600_000;
/** Shorter times without contact are those of a restart or of a radio: nobody plans around them. */
const leastGap: Duration = hour;
const observed: Duration = 30 * 24 * hour;
const leastKnown: Duration = 3 * 24 * hour;
/** One a day over the time looked at. */
const keptGaps = 32;
const daily = { down: 2 * hour, back: hour };
const rare = { down: 36 * hour, back: 24 * hour };
