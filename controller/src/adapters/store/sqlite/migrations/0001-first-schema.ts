/** All tables of the first release. Instants are milliseconds since the Unix epoch; columns are the records' fields. */
export const firstSchema = `
create table devices (
  id text not null primary key,
  state text not null,
  state_reason text not null,
  site text not null,
  owner text not null,
  environment text not null,
  criticality text not null,
  tags text not null,
  connectivity text not null,
  created_at integer not null,
  last_seen_at integer,
  desired_version integer not null,
  wanted_generation integer not null,
  window_start integer not null,
  window_end integer not null,
  agent_version text not null,
  clock_offset integer not null,
  claim_id text not null
) strict;
create index devices_by_state on devices (state);

create table identifiers (
  kind text not null,
  value text not null,
  device text not null,
  primary key (kind, value, device)
) strict, without rowid;
create index identifiers_by_device on identifiers (device);

create table claims (
  id text not null primary key,
  secret_sha256 text not null,
  max_uses integer not null,
  uses integer not null,
  expires_at integer not null,
  revoked_at integer,
  allowed_devices text not null,
  site text not null,
  owner text not null,
  environment text not null,
  criticality text not null,
  tags text not null,
  connectivity text not null,
  profile text not null,
  created_at integer not null,
  created_by text not null
) strict;

create table certificates (
  sha256 text not null primary key,
  der blob not null,
  issuer text not null,
  serial text not null,
  shard integer not null,
  "index" integer not null,
  device text not null,
  slot text not null,
  generation integer not null,
  profile text not null,
  spki_sha256 text not null,
  key_algorithm text not null,
  protection text not null,
  not_before integer not null,
  not_after integer not null,
  state text not null,
  issued_at integer not null,
  proven_at integer,
  retired_at integer,
  revoked_at integer,
  revocation_reason text not null,
  unique (issuer, serial),
  unique (issuer, shard, "index")
) strict;
create index certificates_by_device on certificates (device, generation);
create index certificates_by_key on certificates (spki_sha256);
create index certificates_in_use on certificates (not_after) where device <> '' and state in ('issued', 'proven');

create table intents (
  tbs_sha256 text not null primary key,
  kind text not null,
  issuer text not null,
  serial text not null,
  shard integer not null,
  "index" integer not null,
  not_after integer not null,
  device text not null,
  slot text not null,
  generation integer not null,
  spki_sha256 text not null,
  claim_id text not null,
  state text not null,
  opened_at integer not null
) strict;
create index intents_open on intents (opened_at) where state = 'open';

create table shards (
  issuer text not null,
  shard integer not null,
  not_after_from integer not null,
  not_after_to integer not null,
  next_index integer not null,
  covered_to integer not null,
  primary key (issuer, shard)
) strict, without rowid;

create table revocations (
  issuer text not null,
  serial text not null,
  shard integer not null,
  "index" integer not null,
  reason text not null,
  revoked_at integer not null,
  epoch integer not null,
  not_after integer not null,
  primary key (issuer, serial)
) strict, without rowid;
create index revocations_by_index on revocations (issuer, shard, "index");
create index revocations_unpublished on revocations (issuer, shard, "index") where epoch = 0;

create table epochs (
  issuer text not null,
  era integer not null,
  epoch integer not null,
  this_update integer not null,
  next_update integer not null,
  head blob not null,
  head_sha256 text not null,
  primary key (issuer, era, epoch)
) strict;

create table crls (
  issuer text not null,
  shard integer not null,
  epoch integer not null,
  der blob not null,
  sha256 text not null,
  entry_count integer not null,
  primary key (issuer, shard, epoch)
) strict;

create table acks (
  device text not null,
  issuer text not null,
  era integer not null,
  epoch integer not null,
  applied_at integer not null,
  received_at integer not null,
  via text not null,
  primary key (issuer, device)
) strict, without rowid;

create table answers (
  device text not null,
  message_id text not null,
  payload_sha256 text not null,
  answer blob not null,
  expires_at integer not null,
  primary key (device, message_id)
) strict;
create index answers_by_expiry on answers (expires_at);

create table sequences (
  device text not null,
  generation integer not null,
  stream text not null,
  counter integer not null,
  primary key (device, generation, stream)
) strict, without rowid;

create table reports (
  device text not null primary key,
  received_at integer not null,
  report text not null
) strict;

create table outbox (
  id integer primary key autoincrement,
  topic text not null,
  payload blob not null,
  retain integer not null
) strict;

create table operators (
  name text not null primary key,
  role text not null,
  certificate_sha256 text not null,
  not_after integer not null,
  created_at integer not null,
  disabled_at integer
) strict;
create unique index operators_by_certificate on operators (certificate_sha256) where certificate_sha256 <> '';

create table audit (
  sequence integer not null primary key,
  at integer not null,
  actor text not null,
  action text not null,
  target text not null,
  outcome text not null,
  details text not null,
  previous_hash text not null,
  hash text not null
) strict;
create trigger audit_is_never_changed before update on audit begin select raise(abort, 'audit is append-only'); end;
create trigger audit_is_never_shortened before delete on audit begin select raise(abort, 'audit is append-only'); end;

create table ages (
  hour integer not null,
  site text not null,
  profile text not null,
  issuer text not null,
  count integer not null check (count >= 0),
  primary key (hour, site, profile, issuer)
) strict, without rowid;
create table age_clock (
  id integer primary key check (id = 1),
  expired_before integer not null
) strict;
insert into age_clock values (1, 0);

create table settings (
  key text not null primary key,
  value text not null
) strict, without rowid;
`;
