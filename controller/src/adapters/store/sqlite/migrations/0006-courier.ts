/** The last bundle of each device that a courier brought. */
export const courier = `
create table courier_contacts (
  device text not null primary key,
  at integer not null,
  operator text not null,
  generation integer not null,
  counter integer not null
) strict, without rowid;
`;
