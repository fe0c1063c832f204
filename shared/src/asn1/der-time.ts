import type { Instant } from "../time/instant.ts";
import { type DerReader, derInvalid, tags } from "./der-reader.ts";
import { derText } from "./der-writer.ts";

/**
 * Reads Time as RFC 5280 §4.1.2.5 profiles it: UTCTime `YYMMDDHHMMSSZ` through 2049, GeneralizedTime
 * `YYYYMMDDHHMMSSZ` from 2050 on; no fractions, no offsets, real calendar dates.
 */
export function readTime(reader: DerReader): Instant {
  const tag = reader.peekTag();
  const instant = readTimeAnyYear(reader);
  if (tag === tags.generalizedTime && instant < firstGeneralized) throw derInvalid("a date before 2050 is not UTCTime");
  return instant;
}

/** As {@link readTime}, but takes GeneralizedTime of any year, as revocation lists and certificates in the wild have. */
export function readTimeAnyYear(reader: DerReader): Instant {
  const tag = reader.peekTag();
  if (tag === tags.generalizedTime) return readGeneralizedTime(reader);
  return readDigits(reader, { tag: tags.utcTime, length: 13 });
}

/** Reads GeneralizedTime `YYYYMMDDHHMMSSZ` of any year. */
export const readGeneralizedTime = (reader: DerReader): Instant =>
  readDigits(reader, { tag: tags.generalizedTime, length: 15 });

/** Time in the form RFC 5280 wants for its year; milliseconds are cut off. */
export function derTime(instant: Instant): Uint8Array {
  const text = timeText(instant);
  const year = Number(text.slice(0, 4));
  return year >= 1950 && year < 2050 ? derText(tags.utcTime, text.slice(2)) : derText(tags.generalizedTime, text);
}

/** GeneralizedTime, whatever the year. */
export const derGeneralizedTime = (instant: Instant): Uint8Array => derText(tags.generalizedTime, timeText(instant));

/** `99991231235959Z`: RFC 5280 §4.1.2.5 for "no well-defined end". */
export const endOfTime: Instant = Date.UTC(9999, 11, 31, 23, 59, 59);

function readDigits(reader: DerReader, { tag, length }: { readonly tag: number; readonly length: number }): Instant {
  const content = reader.content(tag);
  if (content.length !== length) throw derInvalid("time has another form than …HHMMSSZ", reader.position);
  return timeAt(content, 0, length);
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

function timeText(instant: Instant): string {
  const date = new Date(instant);
  const year = date.getUTCFullYear();
  if (!(year >= 0 && year <= 9999)) throw derInvalid(`year ${year} cannot be written`);
  return `${date.toISOString().slice(0, 19).replace(/[-:T]/g, "")}Z`;
}

const firstGeneralized = Date.UTC(2050, 0, 1);
