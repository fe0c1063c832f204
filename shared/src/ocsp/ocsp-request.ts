import { contextTag, DerReader, derInvalid, readDer, tags } from "../asn1/der-reader.ts";
import { readSmallInteger } from "../asn1/der-values.ts";
import { readOid } from "../asn1/object-identifier.ts";
import { type Extension, readExtensions } from "../certificate/extension.ts";
import { Serial } from "../certificate/serial.ts";
import { FleetError } from "../errors.ts";

/** Which certificate somebody asks about: its issuer by two hashes, and its serial. */
export interface OcspCertId {
  /** The element as it came; an answer repeats it octet for octet. */
  readonly der: Uint8Array;
  /** Dotted object identifier of the hash. */
  readonly hashAlgorithm: string;
  readonly issuerNameHash: Uint8Array;
  readonly issuerKeyHash: Uint8Array;
  readonly serial: Serial;
}

/** What an OCSP client asks (RFC 6960 §4.1). */
export interface OcspRequest {
  /** One to {@link maxOcspCertIds}. */
  readonly certIds: readonly [OcspCertId, ...OcspCertId[]];
  readonly nonce: Uint8Array | undefined;
}

/**
 * Parses one strict DER request of at most 4 KiB. A signature is not looked at, as answers are anybody's (RFC 6960 §4.1.2).
 * Throws `request-invalid`, also for critical extensions that are not understood.
 */
export function parseOcspRequest(der: Uint8Array): OcspRequest {
  try {
    return readDer(der, { tag: tags.sequence, maxBytes: maxOcspRequestBytes }, readRequest);
  } catch (cause) {
    if (!(cause instanceof FleetError)) throw cause;
    throw new FleetError("request-invalid", `malformed OCSP request: ${cause.message}`, { cause });
  }
}

function readRequest(reader: DerReader): OcspRequest {
  const tbs = reader.enter(tags.sequence);
  if (reader.nextIs(contextTag(0, "constructed"))) reader.element(contextTag(0, "constructed"));
  if (tbs.nextIs(contextTag(0, "constructed"))) requireVersion1(tbs.enter(contextTag(0, "constructed")));
  if (tbs.nextIs(contextTag(1, "constructed"))) tbs.element(contextTag(1, "constructed"));
  const list = tbs.enter(tags.sequence);
  const certIds: OcspCertId[] = [];
  while (!list.isAtEnd) {
    if (certIds.length === maxOcspCertIds) throw derInvalid(`more than ${maxOcspCertIds} certificates are asked about`);
    certIds.push(readSingle(list.enter(tags.sequence)));
  }
  const extensions = readOptionalExtensions(tbs, 2);
  tbs.finish();
  const [first, ...others] = certIds;
  if (first === undefined) throw derInvalid("nothing is asked about");
  return { certIds: [first, ...others], nonce: nonceIn(extensions) };
}

function requireVersion1(wrapper: DerReader): void {
  const version = readSmallInteger(wrapper);
  wrapper.finish();
  // DER leaves a default out, but OpenSSL and others may write it.
  if (version !== 0) throw derInvalid("the version is not 1");
}

function readSingle(single: DerReader): OcspCertId {
  const der = single.element(tags.sequence);
  for (const { oid, critical } of readOptionalExtensions(single, 0)) {
    if (critical) throw derInvalid(`critical extension ${oid} is not supported`);
  }
  single.finish();
  const fields = new DerReader(der).enter(tags.sequence);
  const algorithm = fields.enter(tags.sequence);
  const hashAlgorithm = readOid(algorithm);
  if (!algorithm.isAtEnd && algorithm.content(tags.null).length > 0) throw derInvalid("a hash with parameters");
  algorithm.finish();
  const issuerNameHash = readHash(fields);
  const issuerKeyHash = readHash(fields);
  const serial = Serial.of(fields.content(tags.integer));
  fields.finish();
  return { der, hashAlgorithm, issuerNameHash, issuerKeyHash, serial };
}

function readHash(fields: DerReader): Uint8Array {
  const hash = fields.content(tags.octetString);
  if (hash.length < 20 || hash.length > 64) throw derInvalid(`a hash of ${hash.length} octets`);
  return hash;
}

function readOptionalExtensions(reader: DerReader, number: number): Extension[] {
  if (!reader.nextIs(contextTag(number, "constructed"))) return [];
  const wrapper = reader.enter(contextTag(number, "constructed"));
  const extensions = readExtensions(wrapper);
  wrapper.finish();
  return extensions;
}

/** RFC 9654 §2.1: an OCTET STRING of 1 to 128 octets inside the extension's own. */
function nonceIn(extensions: readonly Extension[]): Uint8Array | undefined {
  let nonce: Uint8Array | undefined;
  for (const { oid, critical, value } of extensions) {
    if (oid === ocspOids.nonce) {
      const reader = new DerReader(value);
      nonce = reader.content(tags.octetString);
      reader.finish();
      if (nonce.length < 1 || nonce.length > 128) throw derInvalid(`a nonce of ${nonce.length} octets`);
    } else if (critical) throw derInvalid(`critical extension ${oid} is not supported`);
  }
  return nonce;
}

/** Object identifiers of RFC 6960. */
export const ocspOids = {
  basic: "1.3.6.1.5.5.7.48.1.1",
  nonce: "1.3.6.1.5.5.7.48.1.2",
} as const;

/** Most octets a request may have. */
export const maxOcspRequestBytes = 4096;
/** Most certificates one request may ask about. */
export const maxOcspCertIds = 8;
