import type { Certificate } from "../certificate/certificate.ts";
import type { GeneralName } from "../certificate/general-name.ts";
import { nameOf } from "./check-certificate.ts";
import { isHostName } from "./host-name.ts";
import { pathInvalid } from "./path-failure.ts";
import type { WorkBudget } from "./work-budget.ts";

/**
 * Holds every name below a CA with name constraints against them (RFC 5280 §4.2.1.10 and §6.1.3 b, c). `path` is leaf
 * first. Self-issued intermediates are exempt, the leaf never is. Kinds of names that cannot be compared are refused
 * where a constraint speaks about them, malformed constraints always.
 */
export function checkNameConstraints(path: readonly Certificate[], budget: WorkBudget): void {
  for (const [index, ca] of path.entries()) {
    if (index === 0 || ca.nameConstraints === undefined) continue;
    const { permitted, excluded } = ca.nameConstraints;
    for (const base of [...permitted, ...excluded]) requireWellFormed(base, ca);
    for (const [position, certificate] of path.slice(0, index).entries()) {
      if (position > 0 && certificate.issuer.equals(certificate.subject)) continue;
      const names = constrainedNames(certificate, position === 0);
      budget.takeComparisons(names.length * (permitted.length + excluded.length));
      for (const name of names) checkOne(name, { ca, certificate });
    }
  }
}

function checkOne(
  name: GeneralName,
  { ca, certificate }: { readonly ca: Certificate; readonly certificate: Certificate },
): void {
  const { permitted = [], excluded = [] } = ca.nameConstraints ?? {};
  const refuse = (why: string) =>
    pathInvalid("name-constraints", `a name of ${nameOf(certificate)} (${describe(name)}) ${why} by ${nameOf(ca)}`);
  if (excluded.some((base) => base.kind === name.kind && isWithin(name, base, "excluded"))) throw refuse("is excluded");
  const bases = permitted.filter((base) => base.kind === name.kind);
  if (bases.length > 0 && !bases.some((base) => isWithin(name, base, "permitted"))) throw refuse("is not permitted");
}

/** Alternative names, the subject, and what in the subject software is known to take for a name. */
function constrainedNames(certificate: Certificate, isLeaf: boolean): GeneralName[] {
  const { subject, subjectAlternativeNames: names } = certificate;
  const all: GeneralName[] = [...names.all];
  if (!subject.isEmpty) all.push({ kind: "directory", name: subject });
  const attributes = subject.rdns.flat();
  // RFC 5280 §4.2.1.10: without an rfc822Name the constraint applies to the emailAddress attribute.
  if (names.emails.length === 0) {
    for (const { oid, value } of attributes)
      if (oid === "1.2.840.113549.1.9.1" && value !== undefined) all.push({ kind: "email", value });
  }
  // Old software reads host names from the common name; OpenSSL constrains it the same way.
  if (isLeaf && names.dns.length === 0) {
    for (const { oid, value } of attributes)
      if (oid === "2.5.4.3" && value?.includes(".") && isHostName(value)) all.push({ kind: "dns", value });
  }
  return all;
}

/** Whether a name lies in a subtree; what cannot be compared is outside what is permitted and inside what is excluded. */
function isWithin(name: GeneralName, base: GeneralName, list: "permitted" | "excluded"): boolean {
  const unknown = list === "excluded";
  if (name.kind === "dns" && base.kind === "dns") return isDnsWithin(name.value, base.value, list);
  if (name.kind === "email" && base.kind === "email") return isEmailWithin(name.value, base.value) ?? unknown;
  if (name.kind === "uri" && base.kind === "uri") return isUriWithin(name.value, base.value) ?? unknown;
  if (name.kind === "ip" && base.kind === "ip") return isAddressWithin(name.octets, base.octets);
  if (name.kind === "directory" && base.kind === "directory") return name.name.isWithin(base.name);
  return unknown;
}

function isDnsWithin(name: string, base: string, list: "permitted" | "excluded"): boolean {
  const [host, domain] = [name.toLowerCase(), base.toLowerCase()];
  const pattern = host.startsWith("*.") ? host.slice(2) : host;
  if (!isHostName(pattern)) return list === "excluded";
  if (domain === "" || pattern === domain || pattern.endsWith(`.${domain}`)) return true;
  // `*.a.example` may become a name below `x.a.example`: enough to be excluded, not to be permitted.
  return list === "excluded" && pattern !== host && domain.endsWith(`.${pattern}`);
}

/** A mailbox, a host, or with a leading dot every host below a domain. Undefined for a name that is no mailbox. */
function isEmailWithin(name: string, base: string): boolean | undefined {
  const at = name.lastIndexOf("@");
  const [mailbox, host] = [name.slice(0, at), name.slice(at + 1).toLowerCase()];
  if (at < 1 || !isHostName(host)) return undefined;
  const baseAt = base.lastIndexOf("@");
  // RFC 5280 §4.2.1.6: the local part is compared exactly.
  if (baseAt >= 0) return mailbox === base.slice(0, baseAt) && host === base.slice(baseAt + 1).toLowerCase();
  return isHostWithin(host, base.toLowerCase());
}

/** The host of a URI; undefined when there is none or it is an address, which the RFC wants refused. */
function isUriWithin(name: string, base: string): boolean | undefined {
  const authority = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:@[\]]+)(?::\d*)?(?:[/?#]|$)/.exec(name)?.[1];
  if (authority === undefined || !isHostName(authority)) return undefined;
  return isHostWithin(authority.toLowerCase(), base.toLowerCase());
}

const isHostWithin = (host: string, base: string): boolean =>
  base.startsWith(".") ? host.endsWith(base) : host === base;

function isAddressWithin(octets: Uint8Array, base: Uint8Array): boolean {
  if (base.length !== octets.length * 2) return false;
  return octets.every(
    (octet, index) => ((octet ^ (base[index] as number)) & (base[octets.length + index] as number)) === 0,
  );
}

function requireWellFormed(base: GeneralName, ca: Certificate): void {
  if (!isWellFormed(base))
    throw pathInvalid("name-constraints", `a name constraint of ${nameOf(ca)} is malformed (${describe(base)})`);
}

function isWellFormed(base: GeneralName): boolean {
  switch (base.kind) {
    case "dns":
      return base.value === "" || isHostName(base.value);
    case "email":
      return isHostName(base.value.replace(/^(?:[^@]+@|\.)/, ""));
    case "uri":
      return isHostName(base.value.replace(/^\./, ""));
    case "ip":
      return isPrefixMask(base.octets);
    default:
      return true;
  }
}

/** RFC 5280 §4.2.1.10: address and mask in the style of RFC 4632, so the mask's ones come first. */
function isPrefixMask(octets: Uint8Array): boolean {
  if (octets.length !== 8 && octets.length !== 32) return false;
  const bits = [...octets.subarray(octets.length / 2)].map((octet) => octet.toString(2).padStart(8, "0")).join("");
  return /^1*0*$/.test(bits);
}

function describe(name: GeneralName): string {
  if ("value" in name) return `${name.kind} ${name.value.slice(0, 120)}`;
  if (name.kind === "ip") return `ip ${name.octets.join(".")}`;
  return name.kind === "directory" ? name.name.label : name.kind;
}
