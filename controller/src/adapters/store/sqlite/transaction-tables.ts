import type { Transaction } from "../../../store-port.ts";
import type { Session } from "./session.ts";
import { ageTable } from "./tables/ages.ts";
import { apiKeyTable, planTable, spendingTable } from "./tables/approval.ts";
import { attestationTable, quoteTable } from "./tables/attestations.ts";
import { certificateTable } from "./tables/certificates.ts";
import { claimTable } from "./tables/claims.ts";
import { contactTable } from "./tables/contacts.ts";
import { deviceTable } from "./tables/devices.ts";
import { auditTable, operatorTable, settingTable } from "./tables/governance.ts";
import { identifierTable } from "./tables/identifiers.ts";
import { answerTable, courierContactTable, outboxTable, reportTable, sequenceTable } from "./tables/messages.ts";
import { ackTable, crlTable, epochTable, revocationTable } from "./tables/revocation.ts";
import {
  awaitedProofTable,
  desiredDigestTable,
  rolloutDeviceTable,
  rolloutTable,
  wishTable,
} from "./tables/rotation.ts";
import { intentTable, shardTable } from "./tables/signing.ts";

/** All tables within one transaction. */
export function transactionTables(session: Session): Transaction {
  return {
    devices: deviceTable(session),
    identifiers: identifierTable(session),
    claims: claimTable(session),
    attestations: attestationTable(session),
    quotes: quoteTable(session),
    certificates: certificateTable(session),
    intents: intentTable(session),
    shards: shardTable(session),
    revocations: revocationTable(session),
    epochs: epochTable(session),
    crls: crlTable(session),
    acks: ackTable(session),
    answers: answerTable(session),
    sequences: sequenceTable(session),
    courierContacts: courierContactTable(session),
    contacts: contactTable(session),
    reports: reportTable(session),
    outbox: outboxTable(session),
    operators: operatorTable(session),
    apiKeys: apiKeyTable(session),
    plans: planTable(session),
    spendings: spendingTable(session),
    audit: auditTable(session),
    ages: ageTable(session),
    settings: settingTable(session),
    wishes: wishTable(session),
    awaitedProofs: awaitedProofTable(session),
    desiredDigests: desiredDigestTable(session),
    rollouts: rolloutTable(session),
    rolloutDevices: rolloutDeviceTable(session),
  };
}
