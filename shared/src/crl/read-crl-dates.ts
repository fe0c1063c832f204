import { DerReader, tags } from "../asn1/der-reader.ts";
import { readTime } from "../asn1/der-time.ts";
import type { Instant } from "../time/instant.ts";

/** When a list was made and until when it counts, without looking at its entries: for lists that were parsed before they were kept. */
export function readCrlDates(der: Uint8Array): { readonly thisUpdate: Instant; readonly nextUpdate: Instant } {
  const fields = new DerReader(der).enter(tags.sequence).enter(tags.sequence);
  if (fields.nextIs(tags.integer)) fields.element(tags.integer);
  fields.element(tags.sequence);
  fields.element(tags.sequence);
  const thisUpdate = readTime(fields);
  const hasNextUpdate = fields.nextIs(tags.utcTime) || fields.nextIs(tags.generalizedTime);
  return { thisUpdate, nextUpdate: hasNextUpdate ? readTime(fields) : thisUpdate };
}
