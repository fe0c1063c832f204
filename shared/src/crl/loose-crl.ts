import { contextTag, DerReader, tags } from "../asn1/der-reader.ts";
import { type Extension, readExtensions } from "../certificate/extension.ts";

/** A Time element as it is written. */
export interface LooseTime {
  readonly tag: number;
  readonly content: Uint8Array;
}

/** One revoked certificate as it is written. */
export interface LooseEntry {
  readonly serial: Uint8Array;
  readonly revokedAt: LooseTime;
  readonly extensions: readonly Extension[];
}

/** The outline of a list, nothing in it judged. */
export interface LooseCrl {
  readonly version: Uint8Array | undefined;
  /** The whole Name element. */
  readonly issuer: Uint8Array;
  readonly thisUpdate: LooseTime;
  readonly nextUpdate: LooseTime | undefined;
  /** Undefined when the list of entries is absent, as it must be when nothing is revoked. */
  readonly entries: readonly LooseEntry[] | undefined;
  readonly extensions: readonly Extension[];
}

/** Reads the outline of a list for linting: an object per entry, at most as many as said; the others are passed over. */
export function readLooseCrl(der: Uint8Array, maxEntries = Number.POSITIVE_INFINITY): LooseCrl {
  const outer = new DerReader(der);
  const list = outer.enter(tags.sequence);
  outer.finish();
  const fields = list.enter(tags.sequence);
  const version = fields.nextIs(tags.integer) ? fields.content(tags.integer) : undefined;
  fields.element(tags.sequence);
  const issuer = fields.element(tags.sequence);
  const thisUpdate = readLooseTime(fields);
  const hasNextUpdate = fields.nextIs(tags.utcTime) || fields.nextIs(tags.generalizedTime);
  const nextUpdate = hasNextUpdate ? readLooseTime(fields) : undefined;
  const entries = fields.nextIs(tags.sequence) ? readLooseEntries(fields.enter(tags.sequence), maxEntries) : undefined;
  const extensions = fields.isAtEnd ? [] : readExtensions(fields.enter(contextTag(0, "constructed")));
  fields.finish();
  return { version, issuer, thisUpdate, nextUpdate, entries, extensions };
}

function readLooseEntries(reader: DerReader, maxEntries: number): LooseEntry[] {
  const entries: LooseEntry[] = [];
  while (!reader.isAtEnd && entries.length < maxEntries) {
    const entry = reader.enter(tags.sequence);
    const serial = entry.content(tags.integer);
    const revokedAt = readLooseTime(entry);
    entries.push({ serial, revokedAt, extensions: entry.isAtEnd ? [] : readExtensions(entry) });
    entry.finish();
  }
  return entries;
}

function readLooseTime(reader: DerReader): LooseTime {
  const tag = reader.nextIs(tags.generalizedTime) ? tags.generalizedTime : tags.utcTime;
  return { tag, content: reader.content(tag) };
}
