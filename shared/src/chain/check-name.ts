import { equalBytes } from "../asn1/der-writer.ts";
import type { Certificate } from "../certificate/certificate.ts";
import { parseIpAddress } from "../certificate/ip-address.ts";
import { nameOf } from "./check-certificate.ts";
import { isHostName } from "./host-name.ts";
import { pathInvalid } from "./path-failure.ts";

/** A name that the caller knows its peer by. */
export type ExpectedName = { readonly dns: string } | { readonly ip: string } | { readonly uri: string };

/** Demands that the certificate carries the name as SubjectAltName; throws `path-invalid` (name-mismatch). */
export function checkName(certificate: Certificate, expected: ExpectedName): void {
  if (!carriesName(certificate, expected))
    throw pathInvalid("name-mismatch", `${nameOf(certificate)} does not carry the name ${JSON.stringify(expected)}`);
}

function carriesName(certificate: Certificate, expected: ExpectedName): boolean {
  const names = certificate.subjectAlternativeNames;
  if ("uri" in expected) return names.uris.includes(expected.uri);
  if ("dns" in expected) return isHostName(expected.dns) && names.dns.some((name) => matchesHost(name, expected.dns));
  const octets = parseIpAddress(expected.ip);
  return octets !== undefined && names.all.some((name) => name.kind === "ip" && equalBytes(name.octets, octets));
}

/** RFC 6125 §6.4: ASCII case does not count; `*` stands for exactly the whole leftmost label. */
function matchesHost(presented: string, host: string): boolean {
  const [pattern, name] = [presented.toLowerCase(), host.toLowerCase()];
  if (!pattern.startsWith("*.")) return pattern === name;
  const base = pattern.slice(2);
  const dot = name.indexOf(".");
  return dot > 0 && isHostName(base) && base.includes(".") && name.slice(dot + 1) === base;
}
