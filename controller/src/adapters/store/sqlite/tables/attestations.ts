import type { AttestationTable, QuoteTable } from "../../../../store-port.ts";
import type { Session } from "../session.ts";
import { statement, upsert } from "../statement.ts";

/** What devices have proven by their TPMs. */
export function attestationTable(session: Session): AttestationTable {
  return {
    find: async (device) => session.first(findAttestation, { device }),
    put: async (attestation) => session.run(putAttestation, attestation),
  };
}

/** The last quote of each device, asked for or answered. */
export function quoteTable(session: Session): QuoteTable {
  return {
    find: async (device) => session.first(findQuote, { device }),
    put: async (quote) => session.run(putQuote, quote),
  };
}

const findAttestation = statement<{ device: string }>()((db, at) =>
  db.selectFrom("attestations").selectAll().where("device", "=", at("device")),
);

const putAttestation = upsert("attestations", {
  key: ["device"],
  rest: [
    "endorsementKeySha256",
    "endorsementCertificateSha256",
    "manufacturer",
    "model",
    "firmware",
    "ground",
    "attestationKey",
    "provenAt",
    "certifiedAt",
  ],
});

const findQuote = statement<{ device: string }>()((db, at) =>
  db.selectFrom("quotes").selectAll().where("device", "=", at("device")),
);

const putQuote = upsert("quotes", {
  key: ["device"],
  rest: [
    "nonce",
    "pcrs",
    "askedAt",
    "askedBy",
    "answeredAt",
    "outcome",
    "reason",
    "values",
    "resetCount",
    "restartCount",
  ],
});
