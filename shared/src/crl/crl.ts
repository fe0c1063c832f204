import { readAlgorithmIdentifier } from "../asn1/algorithm-identifier.ts";
import { contextTag, DerReader, derInvalid, readDer, tags } from "../asn1/der-reader.ts";
import { readTime } from "../asn1/der-time.ts";
import { readBigInteger, readOctetAlignedBits, readSmallInteger } from "../asn1/der-values.ts";
import { equalBytes } from "../asn1/der-writer.ts";
import { type DistinguishedName, readName } from "../certificate/distinguished-name.ts";
import { type Extension, extensionOids, readExtensions, readExtensionValue } from "../certificate/extension.ts";
import { readAuthorityKeyIdentifier } from "../certificate/extension-values.ts";
import type { Serial } from "../certificate/serial.ts";
import { FleetError } from "../errors.ts";
import { sha256Hex } from "../key/digest.ts";
import type { SignatureAlgorithmIdentifierDer } from "../key/signature-algorithm.ts";
import type { Instant } from "../time/instant.ts";
import { CrlEntries, type CrlEntry } from "./crl-entries.ts";
import { type IssuingDistributionPoint, readIssuingDistributionPoint } from "./issuing-distribution-point.ts";

/** A parsed certificate revocation list. Byte fields are views into `der`; entries stay bytes until asked for. */
export interface CertificateRevocationList {
  readonly der: Uint8Array;
  /** The bytes the signature covers. */
  readonly tbs: Uint8Array;
  /** SHA-256 of `der`, lower-case hex. */
  readonly sha256: string;
  readonly version: 1 | 2;
  readonly issuer: DistinguishedName;
  readonly thisUpdate: Instant;
  /** Undefined only in lists that do not follow RFC 5280 §5.1.2.5. */
  readonly nextUpdate: Instant | undefined;
  /** Undefined only in lists that do not follow RFC 5280 §5.2.3. */
  readonly crlNumber: bigint | undefined;
  /** Number of the complete list this one is a delta to; undefined for a complete list. */
  readonly deltaBase?: bigint;
  readonly authorityKeyId?: Uint8Array;
  readonly issuingDistributionPoint?: IssuingDistributionPoint;
  readonly signatureAlgorithm: SignatureAlgorithmIdentifierDer;
  readonly signature: Uint8Array;
  readonly extensions: readonly Extension[];
  readonly entryCount: number;
  /** The entries as they lie in `der`. */
  readonly revoked: CrlEntries;
  /** The entry of a serial, undefined when the list does not name it. */
  find(serial: Serial): CrlEntry | undefined;
  entries(): Generator<CrlEntry, void, undefined>;
}

/**
 * Parses one strict DER list (RFC 5280 §5.1) of at most 256 MiB and checks every entry, without an object per entry.
 * Throws `crl-invalid`, also for critical extensions that are not understood. Who signed it: see `verifyCrl`.
 */
export function parseCrl(der: Uint8Array): CertificateRevocationList {
  try {
    return readDer(der, { tag: tags.sequence, maxBytes: maxCrlBytes }, (reader) => readCrl(der, reader));
  } catch (cause) {
    if (!(cause instanceof FleetError)) throw cause;
    throw new FleetError("crl-invalid", `malformed revocation list: ${cause.message}`, { cause });
  }
}

function readCrl(der: Uint8Array, reader: DerReader): CertificateRevocationList {
  const tbs = reader.element(tags.sequence);
  const signatureAlgorithm = readAlgorithmIdentifier(reader);
  const signature = readOctetAlignedBits(reader);

  const fields = new DerReader(tbs).enter(tags.sequence);
  const version = fields.nextIs(tags.integer) ? readVersion2(fields) : 1;
  // RFC 5280 §5.1.1.2: both algorithm fields must be the same.
  if (!equalBytes(fields.element(tags.sequence), signatureAlgorithm))
    throw derInvalid("the two signature algorithms differ");
  const issuer = readName(fields);
  const thisUpdate = readTime(fields);
  const hasNextUpdate = fields.nextIs(tags.utcTime) || fields.nextIs(tags.generalizedTime);
  const nextUpdate = hasNextUpdate ? readTime(fields) : undefined;
  const entries = new CrlEntries(fields.nextIs(tags.sequence) ? fields.content(tags.sequence) : new Uint8Array(0));
  const extensions = readVersion2Extensions(fields, version);
  fields.finish();
  if (issuer.isEmpty) throw derInvalid("the issuer name is empty");

  return {
    der,
    tbs,
    sha256: sha256Hex(der),
    version,
    issuer,
    thisUpdate,
    nextUpdate,
    ...readKnownExtensions(extensions),
    signatureAlgorithm,
    signature,
    extensions,
    entryCount: entries.count,
    revoked: entries,
    find: (serial) => entries.find(serial),
    entries: () => entries[Symbol.iterator](),
  };
}

function readVersion2(fields: DerReader): 2 {
  if (readSmallInteger(fields) !== 1) throw derInvalid("version is not 2");
  return 2;
}

function readVersion2Extensions(fields: DerReader, version: 1 | 2): Extension[] {
  if (!fields.nextIs(contextTag(0, "constructed"))) return [];
  if (version === 1) throw derInvalid("extensions in a list of version 1");
  const wrapper = fields.enter(contextTag(0, "constructed"));
  const extensions = readExtensions(wrapper);
  wrapper.finish();
  return extensions;
}

function readKnownExtensions(extensions: readonly Extension[]) {
  const read = <T>(oid: string, reader: (value: DerReader) => T) => readExtensionValue(extensions, oid, reader);
  const unknown = extensions.find(({ oid, critical }) => critical && !understood.has(oid));
  if (unknown !== undefined) throw derInvalid(`critical extension ${unknown.oid} is not supported`);
  const deltaBase = read(extensionOids.deltaCrlIndicator, readBigInteger);
  const authorityKeyId = read(extensionOids.authorityKeyId, readAuthorityKeyIdentifier)?.keyId;
  const issuingDistributionPoint = read(extensionOids.issuingDistributionPoint, readIssuingDistributionPoint);
  return {
    crlNumber: read(extensionOids.crlNumber, readBigInteger),
    ...(deltaBase === undefined ? {} : { deltaBase }),
    ...(authorityKeyId === undefined ? {} : { authorityKeyId }),
    ...(issuingDistributionPoint === undefined ? {} : { issuingDistributionPoint }),
  };
}

const understood: ReadonlySet<string> = new Set([
  extensionOids.authorityKeyId,
  extensionOids.crlNumber,
  extensionOids.deltaCrlIndicator,
  extensionOids.issuingDistributionPoint,
]);

const maxCrlBytes = 256 * 1024 * 1024;
