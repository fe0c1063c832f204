import { DerReader, derInvalid, tags } from "../asn1/der-reader.ts";
import { type DerPart, type DerTree, derTree, encodeTree, sequenceTree } from "../asn1/der-tree.ts";
import { readBooleanDefaultFalse } from "../asn1/der-values.ts";
import { derBoolean } from "../asn1/der-writer.ts";
import { encodeOid, readOid } from "../asn1/object-identifier.ts";

/** An X.509 extension; `value` is the content of its OCTET STRING. */
export interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** Object identifiers of the extensions this product knows. */
export const extensionOids = {
  subjectKeyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  crlNumber: "2.5.29.20",
  reasonCode: "2.5.29.21",
  invalidityDate: "2.5.29.24",
  deltaCrlIndicator: "2.5.29.27",
  issuingDistributionPoint: "2.5.29.28",
  certificateIssuer: "2.5.29.29",
  nameConstraints: "2.5.29.30",
  crlDistributionPoints: "2.5.29.31",
  certificatePolicies: "2.5.29.32",
  policyMappings: "2.5.29.33",
  authorityKeyId: "2.5.29.35",
  policyConstraints: "2.5.29.36",
  extendedKeyUsage: "2.5.29.37",
  freshestCrl: "2.5.29.46",
  inhibitAnyPolicy: "2.5.29.54",
  authorityInfoAccess: "1.3.6.1.5.5.7.1.1",
  ocspNoCheck: "1.3.6.1.5.5.7.48.1.5",
} as const;

/** Reads Extensions; there must be at least one and none twice (RFC 5280 §4.2). */
export function readExtensions(reader: DerReader): Extension[] {
  const sequence = reader.enter(tags.sequence);
  const extensions: Extension[] = [];
  while (!sequence.isAtEnd) {
    const item = sequence.enter(tags.sequence);
    const oid = readOid(item);
    const critical = readBooleanDefaultFalse(item);
    const value = item.content(tags.octetString);
    item.finish();
    if (extensions.some((earlier) => earlier.oid === oid)) throw derInvalid(`extension ${oid} appears twice`);
    if (extensions.length >= maxExtensions) throw derInvalid(`more than ${maxExtensions} extensions`);
    extensions.push({ oid, critical, value });
  }
  if (extensions.length === 0) throw derInvalid("empty list of extensions");
  return extensions;
}

/** What the reader makes of the value of one extension, to its last octet; undefined when the extension is not there. */
export function readExtensionValue<T>(
  extensions: readonly Extension[],
  oid: string,
  reader: (value: DerReader) => T,
): T | undefined {
  const extension = extensions.find((candidate) => candidate.oid === oid);
  if (extension === undefined) return undefined;
  const content = new DerReader(extension.value);
  const value = reader(content);
  content.finish();
  return value;
}

/** DER of one extension. */
export function encodeExtension(oid: string, { critical, value }: Omit<Extension, "oid">): Uint8Array {
  return encodeTree(extensionTree(oid, { critical, value }));
}

/** As {@link encodeExtension}, of a value that is not written yet. */
export function extensionTree(
  oid: string,
  { critical = false, value }: { readonly critical?: boolean; readonly value: DerPart },
): DerTree {
  const content = derTree(tags.octetString, value);
  return critical ? sequenceTree(encodeOid(oid), isCritical, content) : sequenceTree(encodeOid(oid), content);
}

const isCritical = derBoolean(true);

const maxExtensions = 64;
