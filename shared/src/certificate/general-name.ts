import { contextTag, type DerReader, derInvalid } from "../asn1/der-reader.ts";
import { decodeAscii } from "../asn1/der-string.ts";
import { type DerTree, derTree, encodeTree } from "../asn1/der-tree.ts";
import { readOid } from "../asn1/object-identifier.ts";
import { type DistinguishedName, readName } from "./distinguished-name.ts";
import { formatIpAddress, parseIpAddress } from "./ip-address.ts";

/** One GeneralName (RFC 5280 §4.2.1.6). */
export type GeneralName =
  | { readonly kind: "email" | "dns" | "uri"; readonly value: string }
  | { readonly kind: "ip"; readonly octets: Uint8Array }
  | { readonly kind: "directory"; readonly name: DistinguishedName }
  | { readonly kind: "otherName"; readonly typeId: string; readonly der: Uint8Array }
  | { readonly kind: "registeredId"; readonly oid: string }
  | { readonly kind: "x400" | "ediParty"; readonly der: Uint8Array };

/** A name as a template or a caller gives it; `ip` as text. */
export type AlternativeName =
  | { readonly uri: string }
  | { readonly dns: string }
  | { readonly ip: string }
  | { readonly email: string };

/** The names of a SubjectAltName extension, sorted by kind; `ips` as text. */
export interface AlternativeNames {
  readonly uris: readonly string[];
  readonly dns: readonly string[];
  readonly ips: readonly string[];
  readonly emails: readonly string[];
  readonly directoryNames: readonly DistinguishedName[];
  /** Every name in the order of the extension, those of other kinds too. */
  readonly all: readonly GeneralName[];
}

/** Reads one GeneralName of any kind. */
export function readGeneralName(reader: DerReader): GeneralName {
  const tag = reader.peekTag();
  switch (tag) {
    case contextTag(0, "constructed"): {
      const other = reader.enter(tag);
      const typeId = readOid(other);
      const der = other.element(contextTag(0, "constructed"));
      other.finish();
      return { kind: "otherName", typeId, der };
    }
    case contextTag(1, "primitive"):
      return { kind: "email", value: readAscii(reader, tag) };
    case contextTag(2, "primitive"):
      return { kind: "dns", value: readAscii(reader, tag) };
    case contextTag(3, "constructed"):
      return { kind: "x400", der: reader.element(tag) };
    case contextTag(4, "constructed"): {
      const wrapper = reader.enter(tag);
      const name = readName(wrapper);
      wrapper.finish();
      return { kind: "directory", name };
    }
    case contextTag(5, "constructed"):
      return { kind: "ediParty", der: reader.element(tag) };
    case contextTag(6, "primitive"):
      return { kind: "uri", value: readAscii(reader, tag) };
    case contextTag(7, "primitive"):
      return { kind: "ip", octets: reader.content(tag) };
    case contextTag(8, "primitive"):
      return { kind: "registeredId", oid: readOid(reader, tag) };
    default:
      throw derInvalid("unknown kind of general name", reader.position);
  }
}

/** Reads the GeneralNames inside a sequence that was entered already; there must be one to `limit`. */
export function readGeneralNames(reader: DerReader, limit: number): GeneralName[] {
  const names: GeneralName[] = [];
  while (!reader.isAtEnd) {
    if (names.length >= limit) throw derInvalid(`more than ${limit} names`, reader.position);
    names.push(readGeneralName(reader));
  }
  if (names.length === 0) throw derInvalid("a list of names is empty", reader.position);
  return names;
}

/** Sorts the names of a SubjectAltName by kind; throws `der-invalid` for addresses of a wrong length. */
export function sortAlternativeNames(all: readonly GeneralName[]): AlternativeNames {
  const uris: string[] = [];
  const dns: string[] = [];
  const ips: string[] = [];
  const emails: string[] = [];
  const directoryNames: DistinguishedName[] = [];
  for (const name of all) {
    if (name.kind === "uri") uris.push(name.value);
    else if (name.kind === "dns") dns.push(name.value);
    else if (name.kind === "email") emails.push(name.value);
    else if (name.kind === "ip") ips.push(requireIpText(name.octets));
    else if (name.kind === "directory") directoryNames.push(name.name);
  }
  return { uris, dns, ips, emails, directoryNames, all };
}

/** DER of a name for a SubjectAltName; throws `der-invalid` when it cannot be written. */
export const encodeAlternativeName = (name: AlternativeName): Uint8Array => encodeTree(alternativeNameTree(name));

/** As {@link encodeAlternativeName}, to be written with what it is part of. */
export function alternativeNameTree(name: AlternativeName): DerTree {
  if ("ip" in name) {
    const octets = parseIpAddress(name.ip);
    if (octets === undefined) throw derInvalid(`"${name.ip}" is no IP address`);
    return derTree(contextTag(7, "primitive"), octets);
  }
  if ("uri" in name) return asciiTree(6, name.uri);
  return "dns" in name ? asciiTree(2, name.dns) : asciiTree(1, name.email);
}

function asciiTree(number: number, text: string): DerTree {
  if (!/^[\x21-\x7e]+$/.test(text)) throw derInvalid("an alternative name is empty or not printable ASCII");
  return derTree(contextTag(number, "primitive"), text);
}

/** Names of this kind are shown and logged: control characters, NUL the worst of them, are refused. */
function readAscii(reader: DerReader, tag: number): string {
  const text = decodeAscii(reader.content(tag));
  if (/\p{Cc}/u.test(text)) throw derInvalid("a name contains control characters");
  return text;
}

function requireIpText(octets: Uint8Array): string {
  const text = formatIpAddress(octets);
  if (text === undefined) throw derInvalid(`an IP address has ${octets.length} octets`);
  return text;
}
