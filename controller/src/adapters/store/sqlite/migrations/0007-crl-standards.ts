/** Holds that are lifted, dates of invalidity, and the delta that was signed beside a list. */
export const crlStandards = `
alter table revocations add column lifted_at integer;
alter table revocations add column invalidity_date integer;

alter table crls add column delta_base integer;
alter table crls add column delta_der blob;
`;
