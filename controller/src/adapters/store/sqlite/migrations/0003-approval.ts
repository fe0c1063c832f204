/** Persons and their API keys, plans that wait for a second person or are carried out, and what each person did alone. */
export const approval = `
alter table operators add column person text not null default '';
alter table operators add column created_by text not null default 'local';
update operators set person = name;

create table api_keys (
  id text not null primary key,
  secret_sha256 text not null,
  operator text not null,
  created_at integer not null,
  created_by text not null,
  expires_at integer not null,
  revoked_at integer
) strict, without rowid;
create index api_keys_by_operator on api_keys (operator, id);

create table plans (
  hash text not null primary key,
  core text not null,
  round integer not null,
  kind text not null,
  request text not null,
  budget text not null,
  weight integer not null,
  items text not null,
  impact text not null,
  requested_by text not null,
  requester text not null,
  requested_at integer not null,
  expires_at integer not null,
  state text not null,
  decided_by text not null,
  decided_at integer,
  remark text not null,
  rate integer not null,
  done integer not null,
  stage_at integer not null,
  epochs text not null,
  finished_at integer
) strict, without rowid;
create unique index plans_by_core on plans (core, round);
create index plans_by_state on plans (state, requested_at, hash);
create index plans_by_request on plans (requested_at, hash);

create table spendings (
  id integer primary key autoincrement,
  person text not null,
  budget text not null,
  at integer not null,
  weight integer not null
) strict;
create index spendings_by_person on spendings (person, budget, at);
`;
