import type { Transaction } from "../../controller/src/store-port.ts";
import {
  aCertificate,
  aClaim,
  aCrl,
  aDevice,
  anAck,
  anAnswer,
  anApiKey,
  anAttestation,
  anAuditEntry,
  anAwaitedProof,
  anEpoch,
  anIntent,
  anOperator,
  aPlan,
  aQuote,
  aRevocation,
  aRollout,
  aRolloutDevice,
  aShard,
  aWish,
  hex64,
} from "./store-records.ts";

/** Puts one row into every table. */
export async function fillEveryTable(tx: Transaction): Promise<void> {
  await tx.devices.put(aDevice());
  await tx.identifiers.add({ kind: "spki", value: "ab", device: "edge-1" });
  await tx.claims.put(aClaim());
  await tx.attestations.put(anAttestation());
  await tx.quotes.put(aQuote());
  await tx.certificates.put(aCertificate(1));
  await tx.intents.put(anIntent());
  await tx.shards.put(aShard());
  await tx.revocations.put(aRevocation());
  await tx.epochs.put(anEpoch());
  await tx.crls.put(aCrl());
  await tx.acks.put(anAck());
  await tx.answers.put(anAnswer());
  await tx.sequences.put({ device: "edge-1", generation: 1, stream: "mqtt", counter: 17 });
  await tx.courierContacts.put({ device: "edge-1", at: 9, operator: "operator:bob", generation: 2, counter: 18 });
  await tx.contacts.put({ device: "edge-1", since: 1, lastAt: 9, gaps: [{ endedAt: 5, length: 3 }] });
  await tx.reports.put({ device: "edge-1", receivedAt: 8, report: '{"a":1}' });
  await tx.outbox.enqueue({ topic: "fleetcert/1/x", payload: new Uint8Array(0), retain: true });
  await tx.operators.put(anOperator());
  await tx.apiKeys.put(anApiKey());
  await tx.plans.put(aPlan());
  await tx.spendings.add({ person: "alice", budget: "revoke", at: 1_000, weight: 3 });
  await tx.audit.append(anAuditEntry());
  await tx.settings.put("colour", "red");
  await tx.wishes.put(aWish());
  await tx.awaitedProofs.put(anAwaitedProof());
  await tx.awaitedProofs.put(anAwaitedProof({ sha256: hex64(8), notedAt: 9 }));
  await tx.desiredDigests.put({ device: "edge-1", sha256: hex64(9) });
  await tx.rollouts.put(aRollout());
  await tx.rolloutDevices.put(aRolloutDevice());
}

/** What {@link fillEveryTable} put, by every way to find it. */
export async function readEveryTable(tx: Transaction) {
  return {
    device: await tx.devices.find("edge-1"),
    holders: await tx.identifiers.devicesOf("spki", "ab"),
    identifiers: await tx.identifiers.listOf("edge-1"),
    claim: await tx.claims.find("claim001"),
    attestation: await tx.attestations.find("edge-1"),
    quote: await tx.quotes.find("edge-1"),
    certificate: await tx.certificates.findBySerial("issuer-1", aCertificate(1).serial),
    certificates: await tx.certificates.listOf("edge-1"),
    intent: await tx.intents.find(hex64(1)),
    intents: await tx.intents.listOpen(),
    shard: await tx.shards.find("issuer-1", 1),
    shards: await tx.shards.listOf("issuer-1"),
    revocation: await tx.revocations.find("issuer-1", "01ab"),
    epoch: await tx.epochs.find("issuer-1", 1),
    crl: await tx.crls.latest("issuer-1", 1),
    ack: await tx.acks.find("edge-1", "issuer-1"),
    answer: await tx.answers.find("edge-1", "0".repeat(32)),
    sequence: await tx.sequences.find("edge-1", 1, "mqtt"),
    courierContact: await tx.courierContacts.find("edge-1"),
    contact: await tx.contacts.find("edge-1"),
    report: await tx.reports.find("edge-1"),
    outbox: await tx.outbox.list(9),
    operator: await tx.operators.find("alice"),
    apiKey: await tx.apiKeys.find("00112233aabbccdd"),
    apiKeys: await tx.apiKeys.list({ limit: 9 }),
    plan: await tx.plans.find(hex64(10)),
    planOfCore: await tx.plans.latestOf(hex64(11)),
    openPlans: await tx.plans.listInState("open", 9),
    plans: await tx.plans.list(9),
    plansByPrefix: await tx.plans.listByPrefix("0000", 9),
    spent: await tx.spendings.sumAfter("alice", "revoke", 999),
    operatorOf: await tx.operators.findByCertificate(hex64(6)),
    audit: await tx.audit.last(),
    ages: await tx.ages.list(),
    setting: await tx.settings.find("colour"),
    wish: await tx.wishes.find("edge-1", "identity"),
    overdue: await tx.awaitedProofs.listOverdue(9, 9),
    noted: await tx.awaitedProofs.listNoted({ limit: 9 }),
    digest: await tx.desiredDigests.find("edge-1"),
    rollout: await tx.rollouts.find("r1"),
    rollouts: await tx.rollouts.list({ limit: 9 }),
    rolloutDevices: await tx.rolloutDevices.listOf("r1"),
    wave: await tx.rolloutDevices.listOf("r1", 1),
  };
}

/** What {@link readEveryTable} gives after {@link fillEveryTable}. */
export const everyTableFilled: Awaited<ReturnType<typeof readEveryTable>> = {
  device: aDevice(),
  holders: ["edge-1"],
  identifiers: [{ kind: "spki", value: "ab", device: "edge-1" }],
  claim: aClaim(),
  attestation: anAttestation(),
  quote: aQuote(),
  certificate: aCertificate(1),
  certificates: [aCertificate(1)],
  intent: anIntent(),
  intents: [anIntent()],
  shard: aShard(),
  shards: [aShard()],
  revocation: aRevocation(),
  epoch: anEpoch(),
  crl: aCrl(),
  ack: anAck(),
  answer: anAnswer(),
  sequence: { device: "edge-1", generation: 1, stream: "mqtt", counter: 17 },
  courierContact: { device: "edge-1", at: 9, operator: "operator:bob", generation: 2, counter: 18 },
  contact: { device: "edge-1", since: 1, lastAt: 9, gaps: [{ endedAt: 5, length: 3 }] },
  report: { device: "edge-1", receivedAt: 8, report: '{"a":1}' },
  outbox: [{ id: 1, topic: "fleetcert/1/x", payload: new Uint8Array(0), retain: true }],
  operator: anOperator(),
  apiKey: anApiKey(),
  apiKeys: [anApiKey()],
  plan: aPlan(),
  planOfCore: aPlan(),
  openPlans: [aPlan()],
  plans: [aPlan()],
  plansByPrefix: [aPlan()],
  spent: 3,
  operatorOf: anOperator(),
  audit: anAuditEntry(),
  ages: [{ hour: 1, site: "plant-1", profile: "device", issuer: "issuer-1", count: 1 }],
  setting: "red",
  wish: aWish(),
  overdue: [anAwaitedProof()],
  noted: [anAwaitedProof({ sha256: hex64(8), notedAt: 9 })],
  digest: { device: "edge-1", sha256: hex64(9) },
  rollout: aRollout(),
  rollouts: [aRollout()],
  rolloutDevices: [aRolloutDevice()],
  wave: [aRolloutDevice()],
};
