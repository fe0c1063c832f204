import { readAlgorithmIdentifier, readSubjectPublicKeyInfo } from "../asn1/algorithm-identifier.ts";
import { contextTag, DerReader, derInvalid, readDer, tags } from "../asn1/der-reader.ts";
import { readTime } from "../asn1/der-time.ts";
import { readBitString, readIntegerBytes, readOctetAlignedBits, readSmallInteger } from "../asn1/der-values.ts";
import { equalBytes } from "../asn1/der-writer.ts";
import { FleetError } from "../errors.ts";
import { sha256Hex } from "../key/digest.ts";
import type { KeyAlgorithm } from "../key/key.ts";
import { keyAlgorithmOf } from "../key/key-algorithm.ts";
import type { SignatureAlgorithmIdentifierDer } from "../key/signature-algorithm.ts";
import type { Instant } from "../time/instant.ts";
import { type DistinguishedName, readName } from "./distinguished-name.ts";
import { type Extension, extensionOids, readExtensions, readExtensionValue } from "./extension.ts";
import {
  type AuthorityKeyIdentifier,
  type DistributionPoint,
  type ExtendedKeyUsage,
  type KeyUsage,
  type NameConstraints,
  readAlternativeNames,
  readAuthorityKeyIdentifier,
  readBasicConstraints,
  readDistributionPoints,
  readExtendedKeyUsage,
  readKeyUsage,
  readNameConstraints,
} from "./extension-values.ts";
import { type AlternativeNames, sortAlternativeNames } from "./general-name.ts";
import { Serial } from "./serial.ts";

/** A parsed certificate. Byte fields are views into `der`. */
export interface Certificate {
  readonly der: Uint8Array;
  /** The bytes the signature covers. */
  readonly tbs: Uint8Array;
  /** SHA-256 of `der`, lower-case hex. */
  readonly sha256: string;
  readonly version: 1 | 2 | 3;
  readonly serial: Serial;
  readonly issuer: DistinguishedName;
  readonly subject: DistinguishedName;
  readonly notBefore: Instant;
  /** Last millisecond-free instant of validity, itself included. */
  readonly notAfter: Instant;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** Reading it throws `key-weak` when the key is of a kind that is not accepted. */
  readonly keyAlgorithm: KeyAlgorithm;
  readonly signatureAlgorithm: SignatureAlgorithmIdentifierDer;
  readonly signature: Uint8Array;
  readonly isCa: boolean;
  readonly pathLen?: number;
  /** Undefined when the extension is absent: the key may be used for anything. */
  readonly keyUsage: readonly KeyUsage[] | undefined;
  /** Undefined when the extension is absent. */
  readonly extendedKeyUsage: readonly ExtendedKeyUsage[] | undefined;
  readonly subjectAlternativeNames: AlternativeNames;
  readonly subjectKeyId?: Uint8Array;
  /** keyIdentifier of the AuthorityKeyIdentifier. */
  readonly authorityKeyId?: Uint8Array;
  readonly authorityKeyIdentifier?: AuthorityKeyIdentifier;
  /** URIs of all distribution points, in order. */
  readonly crlDistributionPoints: readonly string[];
  readonly distributionPoints: readonly DistributionPoint[];
  readonly nameConstraints?: NameConstraints;
  readonly extensions: readonly Extension[];
}

/**
 * Parses one strict DER certificate (RFC 5280 §4.1) of at most 64 KiB. Throws `certificate-invalid`; the cause says
 * where. That it is well formed says nothing about who signed it: see `validatePath`.
 */
export function parseCertificate(der: Uint8Array): Certificate {
  try {
    return readDer(der, { tag: tags.sequence, maxBytes: maxCertificateBytes }, (reader) =>
      readCertificate(der, reader),
    );
  } catch (cause) {
    if (!(cause instanceof FleetError)) throw cause;
    throw new FleetError("certificate-invalid", `malformed certificate: ${cause.message}`, { cause });
  }
}

function readCertificate(der: Uint8Array, reader: DerReader): Certificate {
  const tbs = reader.element(tags.sequence);
  const signatureAlgorithm = readAlgorithmIdentifier(reader);
  const signature = readOctetAlignedBits(reader);

  const fields = new DerReader(tbs).enter(tags.sequence);
  const version = readVersion(fields);
  const serial = Serial.of(readIntegerBytes(fields));
  // RFC 5280 §4.1.1.2: both algorithm fields must be the same.
  if (!equalBytes(fields.element(tags.sequence), signatureAlgorithm))
    throw derInvalid("the two signature algorithms differ");
  const issuer = readName(fields);
  const validity = fields.enter(tags.sequence);
  const notBefore = readTime(validity);
  const notAfter = readTime(validity);
  validity.finish();
  const subject = readName(fields);
  const spki = readSubjectPublicKeyInfo(fields);
  for (const uniqueId of [contextTag(1, "primitive"), contextTag(2, "primitive")]) {
    if (version > 1 && fields.nextIs(uniqueId)) readBitString(fields, uniqueId);
  }
  const extensions = readVersion3Extensions(fields, version);
  fields.finish();
  if (issuer.isEmpty) throw derInvalid("the issuer name is empty");

  let keyAlgorithm: KeyAlgorithm | undefined;
  return {
    ...readKnownExtensions(extensions),
    der,
    tbs,
    sha256: sha256Hex(der),
    version,
    serial,
    issuer,
    subject,
    notBefore,
    notAfter,
    spki,
    get keyAlgorithm() {
      keyAlgorithm ??= keyAlgorithmOf(spki);
      return keyAlgorithm;
    },
    signatureAlgorithm,
    signature,
    extensions,
  };
}

function readVersion(fields: DerReader): 1 | 2 | 3 {
  if (!fields.nextIs(contextTag(0, "constructed"))) return 1;
  const wrapper = fields.enter(contextTag(0, "constructed"));
  const version = readSmallInteger(wrapper) + 1;
  wrapper.finish();
  if (version !== 2 && version !== 3) throw derInvalid(`version ${version}`);
  return version;
}

function readVersion3Extensions(fields: DerReader, version: number): Extension[] {
  if (!fields.nextIs(contextTag(3, "constructed"))) return [];
  if (version !== 3) throw derInvalid("extensions in a certificate before version 3");
  const wrapper = fields.enter(contextTag(3, "constructed"));
  const extensions = readExtensions(wrapper);
  wrapper.finish();
  return extensions;
}

function readKnownExtensions(extensions: readonly Extension[]) {
  const read = <T>(oid: string, reader: (value: DerReader) => T) => readExtensionValue(extensions, oid, reader);
  const basic = read(extensionOids.basicConstraints, readBasicConstraints);
  const authority = read(extensionOids.authorityKeyId, readAuthorityKeyIdentifier);
  const subjectKeyId = read(extensionOids.subjectKeyId, (value) => value.content(tags.octetString));
  const nameConstraints = read(extensionOids.nameConstraints, readNameConstraints);
  const distributionPoints = read(extensionOids.crlDistributionPoints, readDistributionPoints) ?? [];
  return {
    isCa: basic?.ca ?? false,
    ...(basic?.pathLen === undefined ? {} : { pathLen: basic.pathLen }),
    keyUsage: read(extensionOids.keyUsage, readKeyUsage),
    extendedKeyUsage: read(extensionOids.extendedKeyUsage, readExtendedKeyUsage),
    subjectAlternativeNames: sortAlternativeNames(read(extensionOids.subjectAltName, readAlternativeNames) ?? []),
    ...(subjectKeyId === undefined ? {} : { subjectKeyId }),
    ...(authority === undefined ? {} : { authorityKeyIdentifier: authority }),
    ...(authority?.keyId === undefined ? {} : { authorityKeyId: authority.keyId }),
    ...(nameConstraints === undefined ? {} : { nameConstraints }),
    distributionPoints,
    crlDistributionPoints: distributionPoints.flatMap(({ names }) =>
      names.flatMap((name) => (name.kind === "uri" ? [name.value] : [])),
    ),
  };
}

const maxCertificateBytes = 65_536;
