/** Every metric of the controller: name, kind, labels, meaning. Labels are bounded: never a device or a serial. */
export const metricCatalogue = {
  x509_cert_not_after: {
    kind: "gauge",
    labels: ["what"],
    help: "Expiry of what belongs to the controller itself, seconds since the Unix epoch",
  },
  x509_crl_this_update: { kind: "gauge", labels: ["issuer", "shard"], help: "thisUpdate of the CRL in force, seconds" },
  x509_crl_next_update: { kind: "gauge", labels: ["issuer", "shard"], help: "nextUpdate of the CRL in force, seconds" },
  x509_crl_number: { kind: "gauge", labels: ["issuer", "shard"], help: "cRLNumber of the CRL in force" },
  fleetcert_crl_entries: { kind: "gauge", labels: ["issuer", "shard"], help: "Entries of the CRL in force" },
  fleetcert_devices: { kind: "gauge", labels: ["state"], help: "Devices by state" },
  fleetcert_sessions: { kind: "gauge", labels: [], help: "Devices with a live session" },
  fleetcert_certificate_age: {
    kind: "gauge",
    labels: ["le"],
    help: "Certificates in use whose age is at most le seconds; a distribution of state, so a gauge",
  },
  fleetcert_certificates_not_proven: {
    kind: "gauge",
    labels: [],
    help: "Certificates whose proof in use stays away longer than proveWithin; at most 1000 are counted",
  },
  fleetcert_rollouts: { kind: "gauge", labels: ["state"], help: "Rotations in waves, by state; the newest 1000" },
  fleetcert_service_level: { kind: "gauge", labels: ["name"], help: "Service levels: a share 0 to 1, or seconds" },
  fleetcert_audit_entries: { kind: "gauge", labels: [], help: "Sequence of the last audit entry" },
  fleetcert_revocation_epoch: {
    kind: "gauge",
    labels: ["issuer"],
    help: "The newest epoch that revoked something; the other fleetcert_revocation_ metrics are about it",
  },
  fleetcert_revocation_expected: {
    kind: "gauge",
    labels: ["issuer"],
    help: "Devices that were active when it was published",
  },
  fleetcert_revocation_acknowledged: {
    kind: "gauge",
    labels: ["issuer"],
    help: "Active devices that have proven that they apply it",
  },
  fleetcert_revocation_waiting: {
    kind: "gauge",
    labels: ["issuer", "connectivity"],
    help: "Active devices that have not, by how often they are in contact",
  },
  fleetcert_revocation_acknowledged_via: {
    kind: "gauge",
    labels: ["issuer", "via"],
    help: "Acknowledgements by the way they came: mqtt, courier",
  },
  fleetcert_revocation_blocked_seconds: {
    kind: "gauge",
    labels: ["issuer"],
    help: "From the request until the broker refused and had dropped the sessions",
  },
  fleetcert_revocation_published_seconds: {
    kind: "gauge",
    labels: ["issuer"],
    help: "From the request until lists and head were signed and stored",
  },
  fleetcert_revocation_proven_seconds: {
    kind: "gauge",
    labels: ["issuer", "quantile"],
    help: "From the request to the signed word of the device: 0.5, 0.95, 0.99, 1",
  },
  fleetcert_plans: { kind: "gauge", labels: ["state"], help: "Plans that wait for a second person or are carried out" },
  fleetcert_notices_total: { kind: "counter", labels: ["name"], help: "Notices raised since the start" },
  fleetcert_certificates_issued_total: {
    kind: "counter",
    labels: ["profile"],
    help: "Certificates issued since the start",
  },
  fleetcert_messages_refused_total: {
    kind: "counter",
    labels: ["code"],
    help: "Device messages refused since the start",
  },
} as const satisfies Record<string, { kind: "gauge" | "counter"; labels: readonly string[]; help: string }>;

/** One of the names in {@link metricCatalogue}. */
export type MetricName = keyof typeof metricCatalogue;

/** Names of one kind. */
export type MetricOf<K extends "gauge" | "counter"> = {
  [N in MetricName]: (typeof metricCatalogue)[N]["kind"] extends K ? N : never;
}[MetricName];
