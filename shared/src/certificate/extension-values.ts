import { contextTag, type DerReader, derInvalid, tags } from "../asn1/der-reader.ts";
import { readBooleanDefaultFalse, readIntegerBytes, readNamedBits, readSmallInteger } from "../asn1/der-values.ts";
import { readOid } from "../asn1/object-identifier.ts";
import { type NameAttribute, readRdn } from "./distinguished-name.ts";
import { type GeneralName, readGeneralName, readGeneralNames } from "./general-name.ts";

/** Key usages by bit number (RFC 5280 §4.2.1.3). */
export const keyUsages = [
  "digitalSignature",
  "nonRepudiation",
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
  "encipherOnly",
  "decipherOnly",
] as const;

/** One of {@link keyUsages}. */
export type KeyUsage = (typeof keyUsages)[number];

/** Extended key usages with a name; others are shown as dotted object identifiers. */
export const extendedKeyUsageOids = {
  any: "2.5.29.37.0",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
  codeSigning: "1.3.6.1.5.5.7.3.3",
  emailProtection: "1.3.6.1.5.5.7.3.4",
  timeStamping: "1.3.6.1.5.5.7.3.8",
  ocspSigning: "1.3.6.1.5.5.7.3.9",
} as const;

/** A name of {@link extendedKeyUsageOids}, or a dotted object identifier. */
export type ExtendedKeyUsage = keyof typeof extendedKeyUsageOids | (string & {});

/** Subtrees of one kind of constraint (RFC 5280 §4.2.1.10). */
export interface NameConstraints {
  readonly permitted: readonly GeneralName[];
  readonly excluded: readonly GeneralName[];
}

/** AuthorityKeyIdentifier; `hasIssuerAndSerial` marks the form that names the issuer instead of its key. */
export interface AuthorityKeyIdentifier {
  readonly keyId?: Uint8Array;
  readonly hasIssuerAndSerial: boolean;
}

/** One distribution point of a certificate, or the name in an issuing distribution point. */
export interface DistributionPoint {
  /** Names the point goes by; empty when it has none or only one relative to the issuer. */
  readonly names: readonly GeneralName[];
  /** The name below that of the CRL issuer, when it is given so. */
  readonly relativeName?: readonly NameAttribute[];
  /** Bits of ReasonFlags; undefined means all reasons. */
  readonly reasons?: ReadonlySet<number>;
  readonly crlIssuers: readonly GeneralName[];
}

/** Reads BasicConstraints (RFC 5280 §4.2.1.9). Throws `der-invalid`. */
export function readBasicConstraints(reader: DerReader): { readonly ca: boolean; readonly pathLen?: number } {
  const sequence = reader.enter(tags.sequence);
  const ca = readBooleanDefaultFalse(sequence);
  const pathLen = sequence.isAtEnd ? undefined : readSmallInteger(sequence);
  sequence.finish();
  // RFC 5280 §4.2.1.9: pathLenConstraint only has a meaning with cA; such a certificate contradicts itself.
  if (pathLen !== undefined && !ca) throw derInvalid("a path length without cA");
  return pathLen === undefined ? { ca } : { ca, pathLen };
}

/** Reads KeyUsage (RFC 5280 §4.2.1.3). Throws `der-invalid`. */
export function readKeyUsage(reader: DerReader): KeyUsage[] {
  const bits = readNamedBits(reader);
  // RFC 5280 §4.2.1.3: at least one bit must be set.
  if (bits.size === 0) throw derInvalid("key usage without any bit");
  return [...bits].map((bit) => {
    const usage = keyUsages[bit];
    if (usage === undefined) throw derInvalid(`key usage bit ${bit} does not exist`);
    return usage;
  });
}

/** Reads ExtKeyUsageSyntax (RFC 5280 §4.2.1.12); unknown usages stay object identifiers. Throws `der-invalid`. */
export function readExtendedKeyUsage(reader: DerReader): ExtendedKeyUsage[] {
  const sequence = reader.enter(tags.sequence);
  const usages: ExtendedKeyUsage[] = [];
  while (!sequence.isAtEnd) {
    const oid = readOid(sequence);
    usages.push(usageNames.get(oid) ?? oid);
  }
  if (usages.length === 0 || usages.length > 64) throw derInvalid(`${usages.length} extended key usages`);
  return usages;
}

/** Reads AuthorityKeyIdentifier (RFC 5280 §4.2.1.1). Throws `der-invalid`. */
export function readAuthorityKeyIdentifier(reader: DerReader): AuthorityKeyIdentifier {
  const sequence = reader.enter(tags.sequence);
  const keyId = sequence.nextIs(contextTag(0, "primitive")) ? sequence.content(contextTag(0, "primitive")) : undefined;
  const hasIssuer = sequence.nextIs(contextTag(1, "constructed"));
  if (hasIssuer) readGeneralNames(sequence.enter(contextTag(1, "constructed")), maxNames);
  const hasSerial = sequence.nextIs(contextTag(2, "primitive"));
  if (hasSerial) readIntegerBytes(sequence, contextTag(2, "primitive"));
  sequence.finish();
  if (hasIssuer !== hasSerial) throw derInvalid("authority key identifier with issuer or serial alone");
  return keyId === undefined ? { hasIssuerAndSerial: hasIssuer } : { keyId, hasIssuerAndSerial: hasIssuer };
}

/** Reads SubjectAltName (RFC 5280 §4.2.1.6). Throws `der-invalid`. */
export function readAlternativeNames(reader: DerReader): GeneralName[] {
  return readGeneralNames(reader.enter(tags.sequence), maxNames);
}

/** Reads CRLDistributionPoints (RFC 5280 §4.2.1.13). Throws `der-invalid`. */
export function readDistributionPoints(reader: DerReader): DistributionPoint[] {
  const sequence = reader.enter(tags.sequence);
  const points: DistributionPoint[] = [];
  while (!sequence.isAtEnd) points.push(readDistributionPoint(sequence.enter(tags.sequence)));
  if (points.length === 0 || points.length > 64) throw derInvalid(`${points.length} distribution points`);
  return points;
}

/** Reads `[0] DistributionPointName` when it is next. */
export function readDistributionPointName(reader: DerReader): Pick<DistributionPoint, "names" | "relativeName"> {
  if (!reader.nextIs(contextTag(0, "constructed"))) return { names: [] };
  const choice = reader.enter(contextTag(0, "constructed"));
  if (choice.nextIs(contextTag(1, "constructed"))) {
    const relativeName = readRdn(choice.enter(contextTag(1, "constructed")));
    choice.finish();
    return { names: [], relativeName };
  }
  const names = readGeneralNames(choice.enter(contextTag(0, "constructed")), maxNames);
  choice.finish();
  return { names };
}

/** Reads NameConstraints (RFC 5280 §4.2.1.10). Throws `der-invalid`. */
export function readNameConstraints(reader: DerReader): NameConstraints {
  const sequence = reader.enter(tags.sequence);
  const permitted = readSubtrees(sequence, contextTag(0, "constructed"));
  const excluded = readSubtrees(sequence, contextTag(1, "constructed"));
  sequence.finish();
  // RFC 5280 §4.2.1.10: the extension must not be an empty sequence.
  if (permitted.length + excluded.length === 0) throw derInvalid("name constraints without any subtree");
  return { permitted, excluded };
}

function readDistributionPoint(reader: DerReader): DistributionPoint {
  const name = readDistributionPointName(reader);
  const reasons = reader.nextIs(contextTag(1, "primitive"))
    ? readNamedBits(reader, contextTag(1, "primitive"))
    : undefined;
  const crlIssuers = reader.nextIs(contextTag(2, "constructed"))
    ? readGeneralNames(reader.enter(contextTag(2, "constructed")), maxNames)
    : [];
  reader.finish();
  return reasons === undefined ? { ...name, crlIssuers } : { ...name, reasons, crlIssuers };
}

function readSubtrees(reader: DerReader, tag: number): GeneralName[] {
  if (!reader.nextIs(tag)) return [];
  const list = reader.enter(tag);
  const bases: GeneralName[] = [];
  while (!list.isAtEnd) {
    const subtree = list.enter(tags.sequence);
    bases.push(readGeneralName(subtree));
    // RFC 5280 §4.2.1.10: minimum is 0, which DER leaves out, and maximum is absent.
    subtree.finish();
  }
  if (bases.length === 0 || bases.length > maxNames) throw derInvalid(`${bases.length} subtrees`);
  return bases;
}

const usageNames = new Map<string, ExtendedKeyUsage>(
  Object.entries(extendedKeyUsageOids).map(([name, oid]) => [oid, name]),
);

/** More names than any device has; a bound for hostile input. */
const maxNames = 1024;
