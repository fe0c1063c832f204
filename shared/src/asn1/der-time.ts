import type { Instant } from "../time/instant.ts";
import { type DerReader, derInvalid, tags } from "./der-reader.ts";

/**
 * Reads Time: UTCTime `YYMMDDHHMMSSZ` or GeneralizedTime `YYYYMMDDHHMMSSZ`; no fractions, no offsets, real dates.
 * Either form is taken for any year, as RFC 5280 §4.1.2.5 asks of those who read.
 */
export function readTime(reader: DerReader): Instant {
  if (reader.peekTag() === tags.generalizedTime) return readGeneralizedTime(reader);
  return readDigits(reader, { tag: tags.utcTime, length: 13 });
}

/** Reads GeneralizedTime `YYYYMMDDHHMMSSZ` of any year. */
export const readGeneralizedTime = (reader: DerReader): Instant =>
  readDigits(reader, { tag: tags.generalizedTime, length: 15 });

/** Time in the form RFC 5280 §4.1.2.5 wants for its year; milliseconds are cut off. */
export function derTime(instant: Instant): Uint8Array {
  const element = new Uint8Array(17);
  return element.subarray(0, writeTime(element, 0, instant));
}

/** GeneralizedTime, whatever the year. */
export function derGeneralizedTime(instant: Instant): Uint8Array {
  const element = new Uint8Array(17);
  return element.subarray(0, writeDigits(element, 0, { instant, yearDigits: 4 }));
}

/** Writes the Time element of an instant at an offset and returns the offset behind it; at most 17 octets. */
export function writeTime(target: Uint8Array, at: number, instant: Instant): number {
  const isUtcTime = instant >= firstUtcTime && instant < firstGeneralized;
  return writeDigits(target, at, { instant, yearDigits: isUtcTime ? 2 : 4 });
}

/** Writes `HHMMSSZ` of a second of the day at an offset and returns the offset behind it. */
export function writeTimeOfDay(target: Uint8Array, at: number, secondOfDay: number): number {
  const hour = (secondOfDay / 3600) | 0;
  const minute = ((secondOfDay / 60) | 0) - hour * 60;
  writeTwo(target, at, hour);
  writeTwo(target, at + 2, minute);
  writeTwo(target, at + 4, secondOfDay - hour * 3600 - minute * 60);
  target[at + 6] = 0x5a;
  return at + 7;
}

function writeDigits(
  target: Uint8Array,
  at: number,
  { instant, yearDigits }: { readonly instant: Instant; readonly yearDigits: 2 | 4 },
): number {
  if (!(instant >= yearZero && instant < yearTenThousand)) throw derInvalid(`instant ${instant} cannot be written`);
  const seconds = Math.floor(instant / 1000);
  const days = Math.floor(seconds / 86_400);
  // The inverse of daysSinceEpoch: the year, and with it the day, begins on 1 March.
  const era = Math.floor((days + 719_468) / 146_097);
  const dayOfEra = days + 719_468 - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0);

  target[at] = yearDigits === 2 ? tags.utcTime : tags.generalizedTime;
  target[at + 1] = yearDigits + 11;
  const yearEnd = at + 2 + yearDigits;
  if (yearDigits === 4) writeTwo(target, at + 2, Math.floor(year / 100));
  writeTwo(target, yearEnd - 2, year % 100);
  writeTwo(target, yearEnd, month);
  writeTwo(target, yearEnd + 2, dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1);
  return writeTimeOfDay(target, yearEnd + 4, seconds - days * 86_400);
}

function writeTwo(target: Uint8Array, at: number, value: number): void {
  const tens = (value / 10) | 0;
  target[at] = 0x30 + tens;
  target[at + 1] = 0x30 + value - tens * 10;
}

function readDigits(reader: DerReader, { tag, length }: { readonly tag: number; readonly length: number }): Instant {
  reader.skip(tag);
  const { bytes, contentStart, contentEnd } = reader;
  if (contentEnd - contentStart !== length) throw derInvalid("time has another form than …HHMMSSZ", contentEnd);
  return timeAt(bytes, contentStart, length);
}

/**
 * Instant of the content of UTCTime (13 octets) or GeneralizedTime (15 octets) that lies at `start` in `bytes`.
 * Arithmetic on the octets: a revocation list has one of these for every entry.
 */
export function timeAt(bytes: Uint8Array, start: number, length: number): Instant {
  const yearDigits = length - 11;
  if ((yearDigits !== 2 && yearDigits !== 4) || bytes[start + length - 1] !== 0x5a)
    throw derInvalid("time has another form than …HHMMSSZ", start);
  const high = twoDigits(bytes, start);
  // RFC 5280 §4.1.2.5.1: two digits from 50 on mean 19YY.
  const year = yearDigits === 4 ? high * 100 + twoDigits(bytes, start + 2) : high >= 50 ? 1900 + high : 2000 + high;
  const rest = start + yearDigits;
  const month = twoDigits(bytes, rest);
  const day = twoDigits(bytes, rest + 2);
  const hour = twoDigits(bytes, rest + 4);
  const minute = twoDigits(bytes, rest + 6);
  const second = twoDigits(bytes, rest + 8);
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month) || hour > 23 || minute > 59 || second > 59)
    throw derInvalid("time is no real date", start);
  return ((daysSinceEpoch(year, month, day) * 24 + hour) * 60 + minute) * 60_000 + second * 1000;
}

function twoDigits(bytes: Uint8Array, at: number): number {
  const tens = (bytes[at] as number) - 0x30;
  const ones = (bytes[at + 1] as number) - 0x30;
  if (!(tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9))
    throw derInvalid("time holds something else than digits", at);
  return tens * 10 + ones;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Proleptic Gregorian calendar, counted in eras of 400 years that begin on 1 March. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

const firstUtcTime = Date.UTC(1950, 0, 1);
const firstGeneralized = Date.UTC(2050, 0, 1);
const yearZero = Date.parse("0000-01-01T00:00:00Z");
const yearTenThousand = Date.UTC(10_000, 0, 1);
