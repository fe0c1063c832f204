import { type BodyOf, encodeBodyAtRest, formatTopic, type Message } from "@fleetcert/proto";
import { FleetError, isFleetError, sha256Hex } from "@fleetcert/shared";
import type { RetainedSource } from "../retained/retained-topics.ts";
import type { CourierParts } from "./courier.ts";
import { type ExportedMessage, rememberExport } from "./exports.ts";
import type { OpenedReply } from "./open-reply.ts";

/** What a reply has changed on the device. */
export interface AppliedReply {
  readonly device: string;
  readonly generation: number;
  readonly counter: number;
  /** Generations that were issued, and those whose proof the controller has confirmed, by slot. */
  readonly issued: Readonly<Record<string, number>>;
  readonly confirmed: Readonly<Record<string, number>>;
  readonly refused: readonly { readonly asked: string; readonly code: string; readonly message: string }[];
  /** Epochs now in force, by issuer; those that could not be applied are in `problems`. */
  readonly epochs: Readonly<Record<string, number>>;
  readonly trustVersion: number;
  /** Security events and acks that the controller has stored. */
  readonly received: number;
  readonly hasTime: boolean;
  readonly problems: readonly string[];
}

/**
 * Applies a verified reply: trust first, then time, the desired state, revocations, certificates and receipts. Every step is durable
 * by itself and may be done again; the export counts as answered when all are done, so that after a cut the same file goes on.
 */
export async function applyReply(parts: CourierParts, reply: OpenedReply, signal: AbortSignal): Promise<AppliedReply> {
  const { record } = reply;
  for (const envelope of reply.trust) await parts.trust.accept(envelope);
  const hasTime = await takeTime(parts, reply);
  // The end of the device comes last: its keys go with it, and whoever brought the bundle is told first.
  const isTheEnd = reply.desired?.body.retire === true;
  if (!isTheEnd) await takeDesired(parts, reply);
  const { epochs, problems } = await applyEpochs(parts, reply, signal);
  const issued: Record<string, number> = {};
  for (const { slot, generation, issued: certificate, at } of reply.certificates) {
    if (await slot.take(generation, certificate)) issued[slot.slot] = generation;
    await parts.time.accept(at, "issuance");
  }
  const confirmed = await applyConfirmations(parts, reply);
  const refused = await applyRefusals(parts, reply);
  const received = await settleReceived(parts, reply);
  await rememberExport(parts.state, { ...record, importedAt: parts.time.estimate().at });
  if (isTheEnd) await takeDesired(parts, reply);
  parts.applied();
  const { generation, counter } = record;
  parts.log.info({ generation, counter, issued, confirmed, epochs }, "courier bundle imported");
  return {
    ...{ device: parts.device, generation, counter, issued, confirmed, refused, epochs, received, hasTime, problems },
    trustVersion: parts.trust.current()?.version ?? 0,
  };
}

async function takeDesired(parts: CourierParts, { desired }: OpenedReply): Promise<void> {
  if (desired === undefined) return;
  const { type: _, ...state } = desired.body;
  await parts.desired(state, desired.envelope);
}

/** A token may be as old as the reply may be. */
async function takeTime({ time }: CourierParts, { answers, message }: OpenedReply): Promise<boolean> {
  const tokens = answers.flatMap(({ message: { body } }) => (body.type === "time-token" ? [body] : []));
  for (const { now } of tokens) await time.accept(now, "token", Math.max(0, message.expiresAt - now));
  return tokens.length > 0;
}

async function applyEpochs(
  { revocation, outbox, log }: CourierParts,
  { heads, retained }: OpenedReply,
  signal: AbortSignal,
): Promise<{ readonly epochs: Record<string, number>; readonly problems: string[] }> {
  const problems: string[] = [];
  for (const { issuer, envelope } of heads) {
    try {
      const offered = revocation.examine(envelope, { issuer, via: "courier" });
      const ack = offered && (await revocation.apply(offered, bundleSource(retained), signal));
      if (ack !== undefined) await outbox.enqueue(ack);
    } catch (error) {
      // What holds is that no older state comes in force; the rest of the reply is worth having all the same.
      if (!isFleetError(error, "revocation-invalid", "timeout", "trust-invalid", "rate-limited")) throw error;
      log.warn({ issuer, error, code: error.code }, "carried revocation state refused");
      problems.push(error.message);
    }
  }
  return { epochs: Object.fromEntries(revocation.epochs().map(({ issuer, epoch }) => [issuer, epoch])), problems };
}

async function applyConfirmations({ slots }: CourierParts, { answers }: OpenedReply): Promise<Record<string, number>> {
  const confirmed: Record<string, number> = {};
  for (const { body } of bodiesOf(answers, "confirmed")) {
    const slot = slots.find((one) => one.slot === body.slot);
    if (await slot?.confirmed(body)) confirmed[body.slot] = body.generation;
  }
  return confirmed;
}

async function applyRefusals({ slots }: CourierParts, { answers }: OpenedReply): Promise<AppliedReply["refused"]> {
  const refused: AppliedReply["refused"][number][] = [];
  for (const { body, to } of bodiesOf(answers, "refused")) {
    const { kind, generation } = to;
    const slot = slots.find((one) => one.slot === to.slot);
    if ((kind === "enrol" || kind === "renew" || kind === "activated") && generation !== undefined) {
      await slot?.refused({ kind, generation }, body);
    }
    refused.push({ asked: kind, code: body.code, message: body.message });
  }
  return refused;
}

/** An entry that has changed since is told again with the next bundle. */
async function settleReceived({ outbox }: CourierParts, { answers }: OpenedReply): Promise<number> {
  let count = 0;
  for (const { to } of bodiesOf(answers, "received")) {
    const entry = to.entry === undefined ? undefined : outbox.find(to.entry);
    if (entry === undefined || sha256Hex(encodeBodyAtRest(entry.body)) !== to.sha256) continue;
    await outbox.received(entry);
    count += 1;
  }
  return count;
}

function bodiesOf<T extends "confirmed" | "refused" | "received">(
  answers: OpenedReply["answers"],
  type: T,
): { readonly body: BodyOf<T>; readonly to: ExportedMessage; readonly message: Message }[] {
  return answers.flatMap(({ to, message }) => {
    const { body } = message;
    return body.type === type ? [{ to, message, body: body as BodyOf<T> }] : [];
  });
}

/** What a bundle holds in the place of retained topics; what it lacks would never come. */
function bundleSource(retained: ReadonlyMap<string, Uint8Array>): RetainedSource {
  return {
    async fetch(topics) {
      return topics.map((topic) => {
        const payload = retained.get(formatTopic(topic));
        if (payload !== undefined) return payload;
        throw new FleetError("timeout", `${formatTopic(topic)} is not in the bundle`);
      });
    },
    async fetchKept(topics) {
      return topics.map((topic) => retained.get(formatTopic(topic)));
    },
  };
}
