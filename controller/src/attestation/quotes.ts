import { type Body, formatTopic, type Quote } from "@fleetcert/proto";
import {
  attestationFailureOf,
  DeviceId,
  FleetError,
  formatPcrSelections,
  type PcrSelection,
  parsePcrSelections,
  requireAttestationKey,
  verifyQuote,
} from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { DeviceMessage } from "../ports.ts";
import type { QuoteRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import type { AttestationParts } from "./attestation.ts";

type Reply = (tx: Transaction, body: Body) => Promise<void>;

/**
 * Asks a device for its PCRs; the question before it is forgotten. Throws `not-found`, or `conflict` for a device that
 * has no TPM or may not be talked to.
 */
export async function askQuote(
  parts: AttestationParts,
  { actor, device, pcrs }: { readonly actor: string; readonly device: string; readonly pcrs: readonly PcrSelection[] },
): Promise<QuoteRecord> {
  const { store, surroundings } = parts;
  return await store.transaction(async (tx) => {
    await requireTpm(tx, device);
    const askedAt = surroundings.clock.now();
    const quote: QuoteRecord = {
      device,
      nonce: surroundings.random.bytes(32),
      pcrs: formatPcrSelections(pcrs),
      ...{ askedAt, askedBy: actor, answeredAt: undefined },
      ...{ outcome: "waiting", reason: "", values: "{}", resetCount: 0, restartCount: 0 },
    };
    await tx.quotes.put(quote);
    await appendAudit(tx, {
      ...{ at: askedAt, actor, action: "quote.asked", target: device, outcome: "success" },
      details: { pcrs: quote.pcrs },
    });
    await enqueueQuestion(parts, tx, quote);
    return quote;
  });
}

/** What a device was asked and has not answered is asked again, for brokers forget. */
export async function repeatQuestion(parts: AttestationParts, device: string): Promise<void> {
  await parts.store.transaction(async (tx) => {
    const quote = await tx.quotes.find(device);
    if (quote?.outcome === "waiting") await enqueueQuestion(parts, tx, quote);
  });
}

/**
 * Takes the answer. One that does not hold is a result too, and kept with its reason: a device that lies about its state
 * is what the question is there to find. Throws `message-replayed` for an answer to no question.
 */
export async function takeQuote(parts: AttestationParts, received: DeviceMessage, reply: Reply): Promise<void> {
  const { device } = received;
  const evidence = received.message.body as Quote;
  await parts.store.transaction(async (tx) => {
    const asked = await tx.quotes.find(device);
    if (asked === undefined || Buffer.compare(asked.nonce, evidence.nonce) !== 0)
      throw new FleetError("message-replayed", `device ${device} answers with a quote nobody asks for now`);
    if (asked.outcome === "waiting") await record(parts, tx, { asked, judged: await judge(tx, asked, evidence) });
    await reply(tx, { type: "received" });
  });
}

type Judged = Pick<QuoteRecord, "outcome" | "reason" | "values" | "resetCount" | "restartCount">;

async function judge(tx: Transaction, asked: QuoteRecord, evidence: Quote): Promise<Judged> {
  const attestation = await requireTpm(tx, asked.device);
  try {
    const { pcrs, clock } = verifyQuote(evidence, {
      attestationKey: requireAttestationKey(attestation.attestationKey),
      device: DeviceId.parse(asked.device),
      nonce: asked.nonce,
      pcrs: parsePcrSelections(asked.pcrs),
    });
    const values = pcrs.map(({ hash, index, value }) => [`${hash}:${index}`, Buffer.from(value).toString("hex")]);
    const { resetCount, restartCount } = clock;
    const shown = JSON.stringify(Object.fromEntries(values));
    return { outcome: "verified", reason: "", values: shown, resetCount, restartCount };
  } catch (error) {
    const reason = attestationFailureOf(error);
    if (reason === undefined) throw error;
    return { outcome: "refused", reason, values: "{}", resetCount: 0, restartCount: 0 };
  }
}

async function record(
  { surroundings }: AttestationParts,
  tx: Transaction,
  { asked, judged }: { readonly asked: QuoteRecord; readonly judged: Judged },
): Promise<void> {
  const { device, pcrs } = asked;
  const at = surroundings.clock.now();
  await tx.quotes.put({ ...asked, ...judged, answeredAt: at });
  const isVerified = judged.outcome === "verified";
  await appendAudit(tx, {
    at,
    actor: `device:${device}`,
    action: isVerified ? "quote.verified" : "quote.refused",
    target: device,
    outcome: isVerified ? "success" : "failure",
    details: isVerified ? { pcrs, values: judged.values } : { pcrs, reason: judged.reason },
  });
}

async function requireTpm(tx: Transaction, id: string) {
  const device = await tx.devices.find(id);
  if (device === undefined) throw new FleetError("not-found", `there is no device ${id}`);
  if (device.state !== "active") throw new FleetError("conflict", `device ${id} is ${device.state}`);
  const attestation = await tx.attestations.find(id);
  if (attestation !== undefined) return attestation;
  throw new FleetError("conflict", `device ${id} has not enrolled with a TPM`, {
    hint: "only attested devices can vouch for their state; see docs/attestation.md",
  });
}

async function enqueueQuestion(
  { sealer }: AttestationParts,
  tx: Transaction,
  { device, nonce, pcrs }: QuoteRecord,
): Promise<void> {
  const body: Body = { type: "quote-request", nonce, pcrs: parsePcrSelections(pcrs) };
  const { envelope } = await sealer.seal({ recipient: device, body, validFor: questionValidity });
  await tx.outbox.enqueue({
    topic: formatTopic({ type: "down", device, kind: "quote" }),
    payload: envelope,
    retain: false,
  });
}

const questionValidity = 3_600_000;
