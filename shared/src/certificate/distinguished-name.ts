import { DerReader, derInvalid, tags } from "../asn1/der-reader.ts";
import { decodeString } from "../asn1/der-string.ts";
import { type DerTree, derTree, encodeTree, sequenceTree } from "../asn1/der-tree.ts";
import { readBitString } from "../asn1/der-values.ts";
import { toHex } from "../asn1/hex.ts";
import { encodeOid, readOid } from "../asn1/object-identifier.ts";

/** One attribute of a name; `value` is undefined when it is no character string. */
export interface NameAttribute {
  readonly oid: string;
  readonly value: string | undefined;
  /** The value's whole element. */
  readonly der: Uint8Array;
}

/** A distinguished name (X.501): its bytes, its attributes, and how it reads and compares. */
export class DistinguishedName {
  readonly der: Uint8Array;
  /** Relative distinguished names, the most general first. */
  readonly rdns: readonly (readonly NameAttribute[])[];
  #comparisonKeys: readonly string[] | undefined;

  /** Use {@link DistinguishedName.parse}. */
  constructor(der: Uint8Array, rdns: readonly (readonly NameAttribute[])[]) {
    this.der = der;
    this.rdns = rdns;
  }

  /** Parses a whole Name element; throws `der-invalid`. */
  static parse(der: Uint8Array): DistinguishedName {
    const reader = new DerReader(der);
    const name = readName(reader);
    reader.finish();
    return name;
  }

  get isEmpty(): boolean {
    return this.rdns.length === 0;
  }

  /** The last (most specific) common name. */
  get commonName(): string | undefined {
    return this.#last("2.5.4.3");
  }

  /** The last organization name. */
  get organization(): string | undefined {
    return this.#last("2.5.4.10");
  }

  /** RFC 4514 text, the most specific attribute first. */
  get text(): string {
    return this.rdns.toReversed().map(rdnText).join(",");
  }

  /** The text for messages: in quotes, cut after 120 characters. */
  get label(): string {
    const { text } = this;
    return `"${text.length > 120 ? `${text.slice(0, 120)}…` : text}"`;
  }

  /** One text per relative distinguished name, the same for names that RFC 5280 §7.1 calls equal. */
  get comparisonKeys(): readonly string[] {
    this.#comparisonKeys ??= this.rdns.map(rdnComparisonKey);
    return this.#comparisonKeys;
  }

  /** Whether the names are equal by RFC 5280 §7.1: white space and ASCII case do not count, the string type neither. */
  equals(other: DistinguishedName): boolean {
    return this.rdns.length === other.rdns.length && this.isWithin(other);
  }

  /** Whether this name lies in the subtree under `base`, or is it. */
  isWithin(base: DistinguishedName): boolean {
    const keys = this.comparisonKeys;
    return base.rdns.length <= keys.length && base.comparisonKeys.every((key, index) => key === keys[index]);
  }

  #last(oid: string): string | undefined {
    return this.rdns.flat().findLast((attribute) => attribute.oid === oid)?.value;
  }
}

/** Reads a Name. */
export function readName(reader: DerReader): DistinguishedName {
  const start = reader.position;
  const sequence = reader.enter(tags.sequence);
  const rdns: NameAttribute[][] = [];
  while (!sequence.isAtEnd) rdns.push(readRdn(sequence.enter(tags.set)));
  if (rdns.length > maxRdns) throw derInvalid(`name of ${rdns.length} parts, limit ${maxRdns}`);
  return new DistinguishedName(reader.bytes.subarray(start, reader.position), rdns);
}

/** A Name with an optional organization and a common name, as UTF8String (RFC 5280 §4.1.2.4). */
export interface WrittenName {
  readonly commonName: string;
  readonly organization?: string;
}

/** DER of a name. Throws `der-invalid` for a text that cannot be written. */
export const encodeName = (name: WrittenName): Uint8Array => encodeTree(nameTree(name));

/** As {@link encodeName}, to be written with what it is part of. */
export function nameTree(parts: WrittenName): DerTree {
  const rdn = (oid: string, text: string): DerTree =>
    derTree(tags.set, sequenceTree(encodeOid(oid), derTree(tags.utf8String, text)));
  for (const text of [parts.commonName, parts.organization ?? " "]) {
    if (text.length === 0 || text.length > maxAttributeCharacters || text.includes("\0"))
      throw derInvalid(`a name of ${text.length} characters, or with NUL, cannot be written`);
  }
  const commonName = rdn("2.5.4.3", parts.commonName);
  if (parts.organization === undefined) return sequenceTree(commonName);
  return sequenceTree(rdn("2.5.4.10", parts.organization), commonName);
}

/** Reads the attributes inside a SET that was entered already. */
export function readRdn(set: DerReader): NameAttribute[] {
  const rdn: NameAttribute[] = [];
  while (!set.isAtEnd) {
    const pair = set.enter(tags.sequence);
    const oid = readOid(pair);
    const der = pair.element();
    pair.finish();
    const content = pair.bytes.subarray(pair.contentStart, pair.contentEnd);
    rdn.push({ oid, der, value: attributeValue(der, content) });
  }
  if (rdn.length === 0) throw derInvalid("a name part is empty");
  return rdn;
}

/** Text of a relative distinguished name, the same for those that RFC 5280 §7.1 calls equal. */
export const rdnComparisonKey = (rdn: readonly NameAttribute[]): string =>
  rdn.map(comparisonKey).toSorted().join("\u0001");

/** Text; undefined for the one kind of value in use that is none, the bit string of x500UniqueIdentifier. */
function attributeValue(der: Uint8Array, content: Uint8Array): string | undefined {
  const tag = der[0] as number;
  if (tag === tags.bitString) {
    readBitString(new DerReader(der));
    return undefined;
  }
  const text = decodeString(tag, content);
  if (text === undefined) throw derInvalid(`a name has a value of type ${tag}, which is no text`);
  return text;
}

function comparisonKey({ oid, value, der }: NameAttribute): string {
  if (value === undefined) return `${oid}=#${toHex(der)}`;
  const folded = value
    .replace(/[\t\n\v\f\r ]+/g, " ")
    .replace(/^ | $/g, "")
    .replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  return `${oid}=${folded}`;
}

const rdnText = (rdn: readonly NameAttribute[]): string =>
  rdn
    .map(
      ({ oid, value, der }) =>
        `${shortNames.get(oid) ?? oid}=${value === undefined ? `#${toHex(der)}` : escapeText(value)}`,
    )
    .join("+");

/** RFC 4514 §2.4; control characters as hex pairs, so that the text is safe on a terminal. */
function escapeText(value: string): string {
  return value
    .replace(/[\\"+,;<>]/g, "\\$&")
    .replace(/^[ #]| $/g, "\\$&")
    .replace(/[\p{Cc}\u2028\u2029]/gu, (character) =>
      [...new TextEncoder().encode(character)].map((octet) => `\\${octet.toString(16).padStart(2, "0")}`).join(""),
    );
}

const maxRdns = 64;

/** ub-common-name and ub-organization-name of RFC 5280 appendix A.1. */
const maxAttributeCharacters = 64;

const shortNames = new Map([
  ["2.5.4.3", "CN"],
  ["2.5.4.4", "SN"],
  ["2.5.4.5", "serialNumber"],
  ["2.5.4.6", "C"],
  ["2.5.4.7", "L"],
  ["2.5.4.8", "ST"],
  ["2.5.4.9", "STREET"],
  ["2.5.4.10", "O"],
  ["2.5.4.11", "OU"],
  ["2.5.4.12", "title"],
  ["2.5.4.42", "GN"],
  ["2.5.4.46", "dnQualifier"],
  ["0.9.2342.19200300.100.1.1", "UID"],
  ["0.9.2342.19200300.100.1.25", "DC"],
  ["1.2.840.113549.1.9.1", "emailAddress"],
]);
