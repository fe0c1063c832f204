/** Wishes for rotation leave the devices' rows; proofs that are awaited, and rollouts in waves. */
export const waves = `
create table wishes (
  device text not null,
  slot text not null,
  generation integer not null,
  window_start integer not null,
  window_end integer not null,
  is_urgent integer not null,
  explanation_url text not null,
  rollout text not null,
  primary key (device, slot)
) strict, without rowid;
insert into wishes
  select id, 'identity', wanted_generation, window_start, window_end, 0, '', '' from devices where wanted_generation > 0;
alter table devices drop column wanted_generation;
alter table devices drop column window_start;
alter table devices drop column window_end;

create table awaited_proofs (
  sha256 text not null primary key,
  device text not null,
  slot text not null,
  generation integer not null,
  issued_at integer not null,
  noted_at integer
) strict, without rowid;
create index awaited_proofs_by_age on awaited_proofs (issued_at, sha256) where noted_at is null;
insert into awaited_proofs
  select sha256, device, slot, generation, issued_at, null from certificates where state = 'issued' and device <> '';

create table desired_digests (
  device text not null primary key,
  sha256 text not null
) strict, without rowid;

create table rollouts (
  id text not null primary key,
  state text not null,
  body text not null
) strict, without rowid;

create table rollout_devices (
  rollout text not null,
  device text not null,
  wave integer not null,
  state text not null,
  generation integer not null,
  asked_at integer,
  reason text not null,
  primary key (rollout, device)
) strict, without rowid;
`;
