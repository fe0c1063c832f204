import { type Filter, type FilterFacts, FleetError, type Instant, parseFilter } from "@fleetcert/shared";
import type { CertificateView, DeviceView } from "./operations.ts";

/** What a filter can ask of a device: its registry attributes and its current certificate. */
export function deviceFacts(device: DeviceView, now: Instant): FilterFacts {
  const { attributes, certificate } = device;
  return {
    ...(certificate && certificateFacts(certificate, now)),
    id: device.id,
    device: device.id,
    state: device.state,
    connected: device.connected ? "yes" : "no",
    site: attributes.site,
    owner: attributes.owner,
    environment: attributes.environment,
    criticality: attributes.criticality,
    tags: attributes.tags,
    tag: attributes.tags,
    connectivity: attributes.connectivity,
    agent: device.agentVersion,
    offset: device.clockOffset,
    created: device.createdAt,
    seen: device.lastSeenAt === undefined ? undefined : now - device.lastSeenAt,
  };
}

/** What a filter can ask of a certificate; `age` and `expires` are spans from now. */
export function certificateFacts(certificate: CertificateView, now: Instant): FilterFacts {
  return {
    serial: certificate.serial,
    sha256: certificate.sha256,
    issuer: certificate.issuer,
    device: certificate.device,
    slot: certificate.slot,
    generation: certificate.generation,
    profile: certificate.profile,
    algorithm: certificate.keyAlgorithm,
    protection: certificate.protection,
    state: certificate.state,
    reason: certificate.revocationReason,
    age: now - certificate.issuedAt,
    expires: certificate.notAfter - now,
    notAfter: certificate.notAfter,
    notBefore: certificate.notBefore,
  };
}

/** Fields of a certificate that a filter may name. */
export const certificateFields = [
  ...["serial", "sha256", "issuer", "device", "slot", "generation", "profile", "algorithm", "protection"],
  ...["state", "reason", "age", "expires", "notAfter", "notBefore"],
];

/** Fields of a device that a filter may name; those of its current certificate among them. */
export const deviceFields = [
  ...[
    "id",
    "device",
    "state",
    "connected",
    "site",
    "owner",
    "environment",
    "criticality",
    "tags",
    "tag",
    "connectivity",
  ],
  ...["agent", "offset", "created", "seen"],
  ...certificateFields,
];

/** Parses a filter. Throws `filter-invalid`, also for a field that none of the things listed has. */
export function readFilter(text: string, fields: readonly string[]): Filter {
  const filter = parseFilter(text);
  const unknown = filter.conditions.find(({ field }) => !fields.includes(field));
  if (unknown === undefined) return filter;
  throw new FleetError("filter-invalid", `there is no field ${unknown.field} here`, {
    hint: `fields: ${[...new Set(fields)].join(", ")}`,
  });
}
