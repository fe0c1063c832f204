/** The device that a claim lets enrol anew; empty for claims of new devices. */
export const wayback = `
alter table claims add column reenrols text not null default '';
`;
