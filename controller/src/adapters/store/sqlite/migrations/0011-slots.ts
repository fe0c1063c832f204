/** How a certificate was seen in use, when a device is in contact, and whether its class was said by a person. */
export const slots = `
alter table certificates add column proven_via text not null default '';
alter table devices add column connectivity_by text not null default 'computed';
alter table claims add column connectivity_by text not null default 'computed';
update devices set connectivity_by = 'set' where connectivity <> 'always';
update claims set connectivity_by = 'set' where connectivity <> 'always';
create table contacts (
  device text not null primary key,
  since integer not null,
  last_at integer not null,
  gaps text not null
) strict, without rowid;
`;
