import { type DerReader, tags } from "./der-reader.ts";
import { readNull, readOctetAlignedBits } from "./der-values.ts";
import { readOid } from "./object-identifier.ts";

/**
 * The next AlgorithmIdentifier whole (RFC 5280 §4.1.1.2): an object identifier, and as parameters nothing, NULL, another
 * object identifier or a sequence, which is all that any algorithm has.
 */
export function readAlgorithmIdentifier(reader: DerReader): Uint8Array {
  const start = reader.position;
  checkAlgorithmIdentifier(reader);
  return reader.bytes.subarray(start, reader.position);
}

function checkAlgorithmIdentifier(reader: DerReader): void {
  const fields = reader.enter(tags.sequence);
  readOid(fields);
  if (fields.nextIs(tags.null)) readNull(fields);
  else if (fields.nextIs(tags.oid)) readOid(fields);
  else if (!fields.isAtEnd) fields.skip(tags.sequence);
  fields.finish();
}

/** The next SubjectPublicKeyInfo whole (RFC 5280 §4.1.2.7); what the key is, and whether it is any good, is not looked at. */
export function readSubjectPublicKeyInfo(reader: DerReader): Uint8Array {
  const start = reader.position;
  const fields = reader.enter(tags.sequence);
  checkAlgorithmIdentifier(fields);
  readOctetAlignedBits(fields);
  fields.finish();
  return reader.bytes.subarray(start, reader.position);
}
