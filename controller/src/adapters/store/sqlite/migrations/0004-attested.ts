/** What devices have proven by their TPMs, and the PCR values they were asked for. */
export const attested = `
create table attestations (
  device text not null primary key,
  endorsement_key_sha256 text not null,
  endorsement_certificate_sha256 text not null,
  manufacturer text not null,
  model text not null,
  firmware text not null,
  ground text not null,
  attestation_key blob not null,
  proven_at integer not null,
  certified_at integer not null
) strict;

create table quotes (
  device text not null primary key,
  nonce blob not null,
  pcrs text not null,
  asked_at integer not null,
  asked_by text not null,
  answered_at integer,
  outcome text not null,
  reason text not null,
  "values" text not null,
  reset_count integer not null,
  restart_count integer not null
) strict;
`;
