import type { FilterFacts, Instant } from "@fleetcert/shared";
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

/** The fields a filter may name, for hints. */
export const filterFields =
  "device, state, site, owner, environment, criticality, tag, connectivity, connected, seen, agent, " +
  "serial, slot, generation, profile, algorithm, protection, age, expires, notAfter";
