/** The public half of the key that a claim's secret gives; empty for claims of before there was one. */
export const claimKeys = `
alter table claims add column proof_key blob not null default x'';
`;
